import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { gpuTimes } from '../../sim/report/gpu-time.ts';
import { traceEvents } from '../../sim/report/trace-events.ts';
import { record, runStarted, syntheticRun } from '../support/synthetic-log.ts';
import { HAND_RUN } from './hand-run.ts';

describe('traceEvents', () => {
	const spans = (records: Parameters<typeof traceEvents>[0]) =>
		traceEvents(records).traceEvents.flatMap((event) => (event.ph === 'X' ? [event] : []));

	it('shows the run made by hand: what each GPU does, with names that a viewer shows', () => {
		const gpu1 = spans(HAND_RUN).filter(({ tid }) => tid === 1);
		expect(gpu1.map(({ name, ts, dur }) => `${ts}+${dur} ${name}`)).toEqual([
			'0+10 barrier',
			'10+20 loading B',
			'30+20 B',
			'50+5 switching B',
			'55+35 starved',
			'90+5 barrier',
			'95+30 loading G',
			'125+35 G',
			'160+3 switching G',
			'163+7 noDemand',
		]);
		const names = traceEvents(HAND_RUN).traceEvents.flatMap((event) =>
			event.ph === 'M' ? [event.args.name] : [],
		);
		expect(names).toEqual(['GPUs', 'engines', 'gpu0', 'gpu1']);
	});

	it('covers every GPU without gaps, as long as its wall time', () => {
		const records = syntheticRun({ queryCount: 60 });
		const track = new Map<number, number>();
		for (const { tid, ts, dur } of spans(records)) {
			expect(ts).toBe(track.get(tid) ?? 0);
			track.set(tid, ts + dur);
		}
		expect([...track.values()]).toEqual(gpuTimes(records).map(({ wallUs }) => wallUs));
	});

	it('marks replicas that failed or were brought up again, and what they gave back', () => {
		const died = (state: 'loading' | 'failed', timeUs: number): RunRecord =>
			({ ...record.replica(timeUs, 'A#1', state, 'gpu0'), reason: 'out of memory' }) as RunRecord;
		const marks = traceEvents([
			runStarted(),
			record.replica(1, 'A#1', 'loading', 'gpu0'),
			died('loading', 2),
			record.returned(3, 'q0/0', 'A#1'),
			died('failed', 3),
			record.ended(4),
		]).traceEvents.flatMap((event) =>
			event.ph === 'i' ? [`${event.ts} ${event.name}: ${event.args.reason}`] : [],
		);
		expect(marks).toEqual([
			'2 A#1 restarts: out of memory',
			'3 q0/0 returned: died',
			'3 A#1 failed: out of memory',
		]);
	});

	it('counts sequences and blocks at every sample', () => {
		const records = syntheticRun({ queryCount: 60 });
		const samples = records.filter((record) => record.type === 'engine-sample');
		const counters = traceEvents(records).traceEvents.filter((event) => event.ph === 'C');
		expect(counters).toHaveLength(2 * samples.length);
	});
});
