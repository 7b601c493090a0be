import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { bindingPart, idlePercent, summarize } from '../../sim/report/summary.ts';
import { EVIDENCE, record, runStarted, syntheticRun } from '../support/synthetic-log.ts';
import { HAND_RUN } from './hand-run.ts';

describe('summarize', () => {
	it('gives the run made by hand in numbers worked out by hand', () => {
		const idle = {
			loading: 0.00005,
			switching: 0.000008,
			starved: 0,
			memory: 0,
			noDemand: 0.000007,
			down: 0,
		};
		expect(summarize(HAND_RUN)).toEqual({
			format: 1,
			experiment: 'synthetic',
			scheduler: 'round-robin',
			gate: 'never',
			seed: 1,
			engineMode: 'stepwise',
			status: 'complete',
			reproducible: true,
			makespanSeconds: 0.00016,
			lowerBoundSeconds: 0.00012,
			timesBound: 160 / 120,
			boundParts: null,
			stages: {
				expert: { startSeconds: 0.00001, endSeconds: 0.00009, seconds: 0.00008 },
				aggregator: { startSeconds: 0.00009, endSeconds: 0.00016, seconds: 0.00007 },
			},
			calls: {
				...{ expert: 2, aggregator: 1, cancelled: 0, neverStarted: 0, failed: 0, returned: 0 },
				...{ cut: 0, migrated: 0, parked: 0, audited: 0 },
			},
			tokens: { prompt: 300, output: 115, recomputed: 9, cachedPrompt: 48, wasted: 0 },
			queries: {
				total: 1,
				arrivalSpanSeconds: 0,
				settledByVote: 0,
				aggregated: 1,
				p50Seconds: 0.00016,
				p95Seconds: 0.00016,
				p99Seconds: 0.00016,
			},
			accuracy: { value: 1, aggregateAllValue: 1, deltaPoints: 0, lossBoundPoints: null },
			gateEvidence: null,
			gpus: [
				{ gpu: 'gpu0', wallSeconds: 0.00017, busySeconds: 0.000095, idle: { ...idle, barrier: 0.00001 } },
				{
					gpu: 'gpu1',
					wallSeconds: 0.00017,
					busySeconds: 0.000055,
					idle: { ...idle, starved: 0.000035, barrier: 0.000015 },
				},
			],
			plan: {
				objectiveSeconds: 100,
				boundSeconds: 95,
				gap: 0.05,
				status: 'feasible',
				solveSeconds: 0.00001,
				fallback: null,
			},
		});
	});

	it('takes any iterable once', () => {
		function* once(): Generator<RunRecord> {
			yield* HAND_RUN;
		}
		expect(summarize(once())).toEqual(summarize(HAND_RUN));
	});

	it('says what the lower bound comes from', () => {
		const parts = (areaUs: number, lpUs: number, chainUs: number): RunRecord[] =>
			HAND_RUN.map((record) =>
				record.type === 'run-ended' ? { ...record, boundParts: { areaUs, lpUs, chainUs } } : record,
			);
		const part = (log: readonly RunRecord[]): string | null => bindingPart(summarize(log));
		expect(part(HAND_RUN)).toBeNull();
		expect(part(parts(120, 120, 50))).toBe('area');
		expect(part(parts(100, 120, 50))).toBe('LP');
		expect(part(parts(100, 110, 120))).toBe('chain');
	});

	it('counts cancelled and failed calls once each, and their tokens', () => {
		const { calls, tokens } = summarize([
			runStarted(),
			record.cancelled(1, 'q0/0', 'A', 'A#1', 7),
			record.cancelled(1, 'q0/1', 'A', null),
			{ ...record.cancelled(1, 'q0/2', 'A', null), type: 'call-failed', reason: 'gone' } as RunRecord,
			record.finished(2, 'q1/0', 'A#1', 10),
		]);
		expect(calls).toMatchObject({
			expert: 1,
			aggregator: 0,
			cancelled: 1,
			neverStarted: 1,
			failed: 1,
			returned: 0,
		});
		expect(tokens).toMatchObject({ output: 10, wasted: 7 });
	});

	it('counts a call that came back where it ended, how often it came back, and what was wasted', () => {
		const { calls, tokens } = summarize([
			runStarted(),
			record.dispatched(1, 'q0/0', 'A#1'),
			record.returned(2, 'q0/0', 'A#1', 9),
			record.dispatched(3, 'q0/0', 'A#2'),
			record.returned(4, 'q0/0', 'A#2', 4),
			record.dispatched(5, 'q0/0', 'A#3'),
			record.finished(6, 'q0/0', 'A#3', 50),
		]);
		expect(calls).toMatchObject({
			expert: 1,
			aggregator: 0,
			cancelled: 0,
			neverStarted: 0,
			failed: 0,
			returned: 2,
		});
		expect(tokens).toMatchObject({ output: 50, wasted: 13 });
	});

	it('counts calls that were cut short, went on elsewhere or later, and audits', () => {
		const dispatched = (call: string, cutTokens?: number): RunRecord => {
			const plain = record.dispatched(1, call, 'A#1') as RunRecord & { readonly type: 'call-dispatched' };
			return cutTokens === undefined ? plain : { ...plain, cutTokens };
		};
		const finished = (call: string, finishReason: 'stop' | 'length'): RunRecord => {
			const plain = record.finished(5, call, 'A#1', 9) as RunRecord & { readonly type: 'call-finished' };
			return { ...plain, finishReason };
		};
		const moved = (type: 'call-migrated' | 'call-parked'): RunRecord =>
			({ ...dispatched('q0/0'), type, from: 'A#1', outputTokens: 3 }) as unknown as RunRecord;
		const needed = (audit?: true): RunRecord =>
			({
				type: 'aggregation-needed',
				timeUs: 5,
				query: 'q0',
				call: 'q0/agg',
				...(audit && { audit }),
			}) as RunRecord;
		const { calls } = summarize([
			runStarted(),
			// Cut and met; cut but ended before; at its own limit without a cut.
			...[dispatched('q0/0', 9), dispatched('q0/1', 20), dispatched('q0/2')],
			...[moved('call-migrated'), moved('call-migrated'), moved('call-parked')],
			...[finished('q0/0', 'length'), finished('q0/1', 'stop'), finished('q0/2', 'length')],
			...[needed(), needed(true)],
		]);
		expect(calls).toMatchObject({ expert: 3, cut: 1, migrated: 2, parked: 1, audited: 1 });
	});

	it('counts a call that was parked and then given up among the cancelled', () => {
		const { calls, tokens } = summarize([
			runStarted(),
			record.dispatched(1, 'q0/0', 'A#1') as RunRecord,
			{ ...record.cancelled(9, 'q0/0', 'A', null), outputTokens: 3 } as RunRecord,
			record.cancelled(9, 'q0/1', 'A', null),
		]);
		expect(calls).toMatchObject({ cancelled: 1, neverStarted: 1 });
		expect(tokens).toMatchObject({ output: 0, wasted: 3 });
	});

	it('gives an aggregator stage of length zero at the expert end when nothing was aggregated', () => {
		const { stages } = summarize([
			runStarted(),
			record.replica(5, 'A#1', 'loading', 'gpu0'),
			record.finished(20, 'q/0', 'A#1'),
			record.cancelled(30, 'q/1', 'B', null),
			record.settled(30, 'q', 'vote'),
		]);
		expect(stages.expert).toEqual({ startSeconds: 0.000005, endSeconds: 0.00002, seconds: 0.000015 });
		expect(stages.aggregator).toEqual({ startSeconds: 0.00002, endSeconds: 0.00002, seconds: 0 });
	});

	it('takes percentiles by nearest rank of settled minus arrival', () => {
		const log: RunRecord[] = [runStarted({ queryCount: 20 })];
		for (let i = 1; i <= 20; i++) log.push(record.arrived(i, `q${i}`));
		for (let i = 1; i <= 20; i++) log.push(record.settled(100 + 2 * i, `q${i}`, 'vote'));
		const { queries } = summarize(log);
		expect(queries).toMatchObject({ total: 20, settledByVote: 20, aggregated: 0 });
		expect(queries.p50Seconds).toBe(0.00011);
		expect(queries.p95Seconds).toBe(0.000119);
		expect(queries.p99Seconds).toBe(0.00012);
	});

	it('keeps accuracy to the queries where it is known', () => {
		const { accuracy } = summarize([
			runStarted(),
			record.settled(1, 'a', 'vote', true, false),
			record.settled(1, 'b', 'vote', false, false),
			record.settled(1, 'c', 'vote', true, null),
			record.settled(1, 'd', 'vote', null, true),
		]);
		expect(accuracy).toEqual({
			value: 2 / 3,
			aggregateAllValue: 1 / 3,
			deltaPoints: 50,
			lossBoundPoints: null,
		});
		const unknown = summarize([runStarted(), record.settled(1, 'a', 'vote')]).accuracy;
		expect(unknown).toEqual({
			value: null,
			aggregateAllValue: null,
			deltaPoints: null,
			lossBoundPoints: null,
		});
	});

	it('says that a run without an end was interrupted, and which plan was stopped by a clock', () => {
		const summary = summarize([
			runStarted({ queryCount: 3 }),
			record.plan(0, [], { ...EVIDENCE, reproducible: false, stoppedBy: 'time' }),
			record.arrived(4, 'q'),
		]);
		expect(summary).toMatchObject({
			status: 'interrupted',
			reproducible: false,
			plan: { stoppedBy: 'time' },
			makespanSeconds: 0.000004,
			lowerBoundSeconds: null,
			queries: { total: 3, p50Seconds: null },
		});
	});

	it('splits a barrier run into stages that add up to the makespan, and GPU time that adds up to wall time', () => {
		for (const layout of ['dealt', 'spread'] as const) {
			const summary = summarize(syntheticRun({ layout, queryCount: 60 }));
			const { expert, aggregator } = summary.stages;
			expect(expert.startSeconds + expert.seconds + aggregator.seconds).toBeCloseTo(
				summary.makespanSeconds,
				9,
			);
			for (const { wallSeconds, busySeconds, idle } of summary.gpus) {
				const idleSeconds = Object.values(idle).reduce((sum, seconds) => sum + seconds, 0);
				expect(Math.round((busySeconds + idleSeconds) * 1e6)).toBe(Math.round(wallSeconds * 1e6));
			}
			expect(idlePercent(summary)).toBeGreaterThan(5);
		}
	});
});
