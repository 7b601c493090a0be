import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gpuId, modelId } from '../../sim/domain/ids.ts';
import type { PlannedSession } from '../../sim/domain/plan.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { type GpuState, gpuTimeline, gpuTimes, IDLE_CAUSES } from '../../sim/report/gpu-time.ts';
import { record, runStarted } from '../support/synthetic-log.ts';
import { stateAt } from './gpu-time-oracle.ts';
import { HAND_RUN } from './hand-run.ts';
import { randomLog } from './random-log.ts';

const oneGpu = runStarted({ gpus: [{ gpu: gpuId('gpu0'), type: 'T', host: 'h' }] });
const statesOfGpu0 = (...records: RunRecord[]): string =>
	gpuTimeline([oneGpu, ...records])
		.map(({ fromUs, toUs, state }) => `${fromUs}-${toUs} ${state}`)
		.join(', ');

describe('gpuTimeline', () => {
	it('splits the run made by hand as written beside it', () => {
		const times = gpuTimes(HAND_RUN);
		const none = { loading: 0, switching: 0, starved: 0, barrier: 0, memory: 0, noDemand: 0, down: 0 };
		expect(times).toEqual([
			{
				gpu: 'gpu0',
				wallUs: 170,
				busyUs: 95,
				idleUs: { ...none, loading: 50, switching: 8, barrier: 10, noDemand: 7 },
			},
			{
				gpu: 'gpu1',
				wallUs: 170,
				busyUs: 55,
				idleUs: { ...none, loading: 50, switching: 8, starved: 35, barrier: 15, noDemand: 7 },
			},
		]);
	});

	it('equals the oracle at every microsecond of random runs, covers them without gaps and adds up to wall time', () => {
		const seen = new Set<GpuState>();
		fc.assert(
			fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => {
				const log = randomLog(seed);
				const endUs = log.at(-1)?.timeUs ?? 0;
				const timeline = gpuTimeline(log);
				for (const { gpu } of (log[0] as ReturnType<typeof runStarted>).gpus) {
					let atUs = 0;
					for (const one of timeline.filter((interval) => interval.gpu === gpu)) {
						expect(one.fromUs).toBe(atUs);
						for (; atUs < one.toUs; atUs++)
							expect(`${gpu} ${atUs} ${one.state}`).toBe(`${gpu} ${atUs} ${stateAt(log, gpu, atUs)}`);
						seen.add(one.state);
					}
					expect(atUs).toBe(endUs);
				}
				for (const { wallUs, busyUs, idleUs } of gpuTimes(log))
					expect(busyUs + IDLE_CAUSES.reduce((sum, cause) => sum + idleUs[cause], 0)).toBe(wallUs);
			}),
			{ seed: 20260101, numRuns: 400 },
		);
		// The property would be empty if the generator never reached a state.
		expect([...seen].sort()).toEqual(['busy', ...IDLE_CAUSES].sort());
	});

	it('holds a later phase while a session that failed is begun again, and counts its second load', () => {
		const log = [
			runStarted(),
			record.arrived(0, 'q', 'A', 'B'),
			record.plan(0, [
				{ gpus: [gpuId('gpu0')], model: modelId('A'), role: 'expert', calls: 1, phase: 0 },
				{ gpus: [gpuId('gpu1')], model: modelId('B'), role: 'expert', calls: 1, phase: 1 },
			]),
			record.replica(0, 'A#1', 'loading', 'gpu0'),
			record.replica(10, 'A#1', 'awake', 'gpu0'),
			record.dispatched(10, 'q/0', 'A#1'),
			record.active(10, 'A#1', true),
			record.returned(20, 'q/0', 'A#1'),
			record.replica(20, 'A#1', 'failed', 'gpu0'),
			record.replica(25, 'A#2', 'loading', 'gpu0'),
			record.replica(35, 'A#2', 'awake', 'gpu0'),
			record.dispatched(35, 'q/0', 'A#2'),
			record.ended(40),
		];
		const states = (gpu: string): string[] =>
			gpuTimeline(log)
				.filter((one) => one.gpu === gpu)
				.map(({ fromUs, toUs, state }) => `${fromUs}-${toUs} ${state}`);
		expect(states('gpu0')).toEqual([
			'0-10 loading',
			'10-20 busy',
			'20-25 down',
			'25-35 loading',
			'35-40 starved',
		]);
		expect(states('gpu1')).toEqual(['0-40 barrier']);
	});

	it('counts a call that came back as waiting, until another replica has served it', () => {
		const [gpu0, gpu1] = [gpuId('gpu0'), gpuId('gpu1')];
		const log = [
			runStarted({ gpus: ['gpu0', 'gpu1', 'gpu2'].map((id) => ({ gpu: gpuId(id), type: 'T', host: 'h' })) }),
			record.arrived(0, 'q', 'A', 'B'),
			record.plan(0, [
				{ gpus: [gpu0], model: modelId('A'), role: 'expert', calls: 1, phase: 0 },
				{ gpus: [gpu1], model: modelId('B'), role: 'expert', calls: 1, phase: 1 },
			]),
			record.replica(0, 'A#1', 'loading', 'gpu0'),
			record.replica(0, 'A#2', 'loading', 'gpu2'),
			record.replica(10, 'A#1', 'awake', 'gpu0'),
			record.replica(10, 'A#2', 'awake', 'gpu2'),
			record.dispatched(10, 'q/0', 'A#1'),
			record.returned(20, 'q/0', 'A#1'),
			record.dispatched(30, 'q/0', 'A#2'),
			record.finished(40, 'q/0', 'A#2'),
			record.ended(50),
		];
		const ofGpu1 = gpuTimeline(log).filter(({ gpu }) => gpu === gpu1);
		expect(ofGpu1.map(({ fromUs, toUs, state }) => `${fromUs}-${toUs} ${state}`)).toEqual([
			'0-30 barrier',
			'30-50 starved',
		]);
	});

	it('takes an aggregator call that came back for one that could run', () => {
		expect(
			statesOfGpu0(
				record.arrived(0, 'q', 'A'),
				record.needed(0, 'q'),
				record.replica(0, 'G#1', 'loading', 'gpu0'),
				record.replica(10, 'G#1', 'awake', 'gpu0'),
				record.dispatched(10, 'q/agg', 'G#1'),
				record.returned(20, 'q/agg', 'G#1'),
				record.dispatched(30, 'q/agg', 'G#1'),
				record.ended(40),
			),
		).toBe('0-10 loading, 10-20 starved, 20-30 barrier, 30-40 starved');
	});

	it('leaves a replica that is brought up again its session, and the next one free', () => {
		const session = (gpu: string, model: string, phase: number): PlannedSession => ({
			gpus: [gpuId(gpu)],
			model: modelId(model),
			role: 'expert',
			calls: 1,
			phase,
		});
		const log = [
			runStarted(),
			record.arrived(0, 'q', 'A', 'A', 'B'),
			record.plan(0, [session('gpu0', 'A', 0), session('gpu1', 'B', 0), session('gpu0', 'A', 1)]),
			record.replica(0, 'B#1', 'loading', 'gpu1'),
			record.replica(0, 'A#1', 'loading', 'gpu0'),
			record.replica(10, 'A#1', 'loading', 'gpu0'),
			record.replica(20, 'A#1', 'awake', 'gpu0'),
			record.dispatched(20, 'q/0', 'A#1'),
			record.active(20, 'A#1', true),
			record.finished(30, 'q/0', 'A#1'),
			record.active(30, 'A#1', false),
			record.replica(30, 'A#1', 'stopped', 'gpu0'),
			record.ended(40),
		];
		// Its second session waits for the one of B, which still loads.
		expect(gpuTimeline(log).findLast(({ gpu }) => gpu === 'gpu0')).toMatchObject({
			fromUs: 30,
			state: 'barrier',
		});
	});

	it('is down while the only replica has failed, and not once another loads', () => {
		expect(
			statesOfGpu0(
				record.arrived(0, 'q', 'A'),
				record.replica(0, 'A#1', 'loading', 'gpu0'),
				record.replica(5, 'A#1', 'failed', 'gpu0'),
				record.replica(9, 'A#2', 'loading', 'gpu0'),
				record.ended(12),
			),
		).toBe('0-5 loading, 5-9 down, 9-12 loading');
	});

	it('is short of memory from a refusal until a replica changes there, not counting the refused one', () => {
		expect(
			statesOfGpu0(
				record.arrived(0, 'q', 'A'),
				record.replica(0, 'A#1', 'loading', 'gpu0'),
				record.replica(2, 'A#1', 'awake', 'gpu0'),
				record.refused(4, 'B#1', 'gpu0'),
				record.replica(4, 'B#1', 'stopped', 'gpu0'),
				record.replica(7, 'A#1', 'stopping', 'gpu0'),
				record.replica(8, 'A#1', 'stopped', 'gpu0'),
				record.ended(11),
			),
		).toBe('0-2 loading, 2-4 starved, 4-7 memory, 7-8 switching, 8-11 starved');
	});

	it('counts a failed engine as idle although nobody said that it became inactive', () => {
		expect(
			statesOfGpu0(
				record.arrived(0, 'q', 'A'),
				record.replica(0, 'A#1', 'awake', 'gpu0'),
				record.active(0, 'A#1', true),
				record.replica(3, 'A#1', 'failed', 'gpu0'),
				record.ended(5),
			),
		).toBe('0-3 busy, 3-5 down');
	});

	it('lets the engine that computes win over one that loads on the same GPU', () => {
		expect(
			statesOfGpu0(
				record.arrived(0, 'q', 'A'),
				record.replica(0, 'A#1', 'awake', 'gpu0'),
				record.active(0, 'A#1', true),
				record.replica(2, 'B#1', 'loading', 'gpu0'),
				record.active(4, 'A#1', false),
				record.ended(6),
			),
		).toBe('0-4 busy, 4-6 loading');
	});

	it('knows the two sessions of one model in two roles apart', () => {
		const session = { model: modelId('A'), calls: null };
		const timeline = gpuTimeline([
			runStarted(),
			record.plan(0, [
				{ ...session, gpus: [gpuId('gpu0')], role: 'aggregator', phase: 1 },
				{ ...session, gpus: [gpuId('gpu0')], role: 'expert', phase: 0 },
				{ ...session, gpus: [gpuId('gpu1')], role: 'expert', phase: 0 },
			]),
			record.arrived(0, 'q', 'A', 'A'),
			record.replica(0, 'A#1', 'awake', 'gpu0'),
			record.replica(0, 'A#2', 'awake', 'gpu1'),
			record.active(0, 'A#1', true),
			record.active(0, 'A#2', true),
			record.dispatched(0, 'q/0', 'A#1'),
			record.dispatched(0, 'q/1', 'A#2'),
			record.finished(4, 'q/0', 'A#1'),
			record.active(4, 'A#1', false),
			record.finished(9, 'q/1', 'A#2'),
			record.active(9, 'A#2', false),
			record.ended(10),
		]);
		expect(timeline.filter(({ gpu }) => gpu === 'gpu0').map(({ toUs, state }) => [toUs, state])).toEqual([
			[4, 'busy'],
			// Its aggregator session has not begun, but there is nothing to aggregate yet.
			[10, 'starved'],
		]);
	});

	it('lets a phase that is not over hold pending calls of a later one', () => {
		const session = { model: modelId('A'), role: 'expert' as const, calls: 1 };
		const timeline = gpuTimeline([
			runStarted(),
			record.plan(0, [
				{ ...session, gpus: [gpuId('gpu0')], phase: 0 },
				{ ...session, gpus: [gpuId('gpu1')], phase: 0 },
				{ ...session, model: modelId('B'), gpus: [gpuId('gpu1')], phase: 1 },
				{ ...session, model: modelId('G'), role: 'aggregator', calls: null, gpus: [gpuId('gpu0')], phase: 2 },
			]),
			record.arrived(0, 'q', 'A', 'A', 'B'),
			record.replica(0, 'A#1', 'awake', 'gpu0'),
			record.replica(0, 'A#2', 'awake', 'gpu1'),
			record.active(0, 'A#1', true),
			record.active(0, 'A#2', true),
			record.dispatched(0, 'q/0', 'A#1'),
			record.dispatched(0, 'q/1', 'A#2'),
			record.finished(4, 'q/1', 'A#2'),
			record.active(4, 'A#2', false),
			record.finished(9, 'q/0', 'A#1'),
			record.active(9, 'A#1', false),
			record.ended(10),
		]);
		const statesOf = (id: string) =>
			timeline.filter(({ gpu }) => gpu === id).map(({ toUs, state }) => [toUs, state]);
		// gpu1 could serve B, but phase 0 is not over until gpu0 ends.
		expect(statesOf('gpu1').slice(0, 2)).toEqual([
			[4, 'busy'],
			[9, 'barrier'],
		]);
		expect(statesOf('gpu0')[0]).toEqual([9, 'busy']);
	});

	it('has no intervals for a run without time', () => {
		expect(gpuTimeline([oneGpu, record.ended(0)])).toEqual([]);
		expect(gpuTimes([oneGpu, record.ended(0)])[0]).toMatchObject({ wallUs: 0, busyUs: 0 });
	});
});
