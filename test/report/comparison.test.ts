import { describe, expect, it } from 'vitest';
import type { GateEvidence } from '../../sim/domain/calibration.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { type ComparisonRow, compareSummaries, notesOf } from '../../sim/report/comparison.ts';
import { studentT975 } from '../../sim/report/student-t.ts';
import { type Summary, summarize } from '../../sim/report/summary.ts';
import { HAND_RUN } from './hand-run.ts';

const TEMPLATE = summarize(HAND_RUN);

function run(
	scheduler: string,
	gate: string,
	seed: number,
	makespanSeconds: number,
	over: Partial<Summary> = {},
): Summary {
	return { ...TEMPLATE, scheduler, gate, seed, makespanSeconds, lowerBoundSeconds: 10, ...over };
}

const EVIDENCE: GateEvidence = {
	source: '20000 simulated past queries',
	...{ learned: 5000, tested: 15_000, budgetPoints: 0.1, confidence: 0.9, skippedShare: 0 },
	cutTokens: { reasoning: null, instruct: null, aggregator: null },
	...{ lossPoints: 0, lossBoundPoints: 0, note: null, queriesNeeded: null, audit: null },
};

const rowOf = (rows: readonly ComparisonRow[], scheduler: string): ComparisonRow =>
	rows.find((row) => row.scheduler === scheduler) as ComparisonRow;

describe('compareSummaries', () => {
	it('pairs by seed: seeds that differ much do not hide a steady gain', () => {
		const base = [100, 200, 400];
		const { rows, seeds, baseline } = compareSummaries([
			...base.map((makespan, seed) => run('rr', 'never', seed, makespan)),
			// In another order of seeds, so that pairing by place would fail.
			...[2, 1, 0].map((seed) => run('ilp', 'never', seed, (base[seed] as number) / 2)),
		]);
		expect({ seeds, baseline }).toEqual({ seeds: [0, 1, 2], baseline: 'rr/never' });
		const ilp = rowOf(rows, 'ilp');
		expect(ilp.speedup?.mean).toBeCloseTo(2, 12);
		expect(ilp.speedup?.low).toBeCloseTo(2, 12);
		expect(ilp.wins).toBe(true);
		// Unpaired, the intervals of 100, 200, 400 and 50, 100, 200 overlap widely.
		expect(ilp.makespanSeconds.high).toBeGreaterThan(rowOf(rows, 'rr').makespanSeconds.low);
	});

	it('gives the interval of Student t on the logarithms of the ratios', () => {
		const { rows } = compareSummaries([
			...[100, 100, 100].map((makespan, seed) => run('rr', 'never', seed, makespan)),
			...[50, 80, 60].map((makespan, seed) => run('ilp', 'never', seed, makespan)),
		]);
		const logs = [100 / 50, 100 / 80, 100 / 60].map(Math.log);
		const mean = (logs[0] as number) / 3 + (logs[1] as number) / 3 + (logs[2] as number) / 3;
		const deviation = Math.sqrt(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / 2);
		const half = (studentT975(2) * deviation) / Math.sqrt(3);
		const { speedup, wins } = rowOf(rows, 'ilp');
		expect(speedup?.mean).toBeCloseTo(Math.exp(mean), 12);
		expect(speedup?.low).toBeCloseTo(Math.exp(mean - half), 12);
		expect(speedup?.high).toBeCloseTo(Math.exp(mean + half), 12);
		expect(speedup?.low).toBeLessThan(1);
		expect(wins).toBeNull();
	});

	it('gives no time below 0 and no share beyond 0 and 100, however wide the interval', () => {
		const { rows } = compareSummaries(
			[1, 100].map((value, seed) =>
				run('rr', 'never', seed, value, {
					lowerBoundSeconds: value,
					gpus: TEMPLATE.gpus.map((gpu) => ({ ...gpu, wallSeconds: 100, busySeconds: value })),
				}),
			),
		);
		const { makespanSeconds, lowerBoundSeconds, idlePercent } = rowOf(rows, 'rr');
		expect(lowerBoundSeconds).toEqual(makespanSeconds);
		expect(lowerBoundSeconds).toMatchObject({ mean: 50.5, low: 0 });
		expect(idlePercent).toEqual({ mean: 49.5, low: 0, high: 100 });
	});

	it('gives no makespan below its bound, unless a run had one, and no more points than there are', () => {
		const spread = (makespans: readonly number[]) =>
			compareSummaries(
				makespans.map((makespan, seed) => {
					const accuracy = { ...TEMPLATE.accuracy, deltaPoints: seed === 0 ? -30 : 30 };
					return run('rr', 'never', seed, makespan, { lowerBoundSeconds: 10, accuracy });
				}),
			).rows[0] as ComparisonRow;
		const { timesBound, accuracyDeltaPoints } = spread([10, 20]);
		expect(timesBound).toMatchObject({ mean: 1.5, low: 1 });
		expect(timesBound?.high).toBeCloseTo(1.5 + 12.706 * 0.5, 2);
		expect(accuracyDeltaPoints).toEqual({ mean: 0, low: -100, high: 100 });
		expect(spread([8, 9]).timesBound?.low).toBe(0.8);
	});

	it('counts what was aggregated, given up and cut, mean over the seeds', () => {
		const { queries, calls } = TEMPLATE;
		const { cut: _, ...earlier } = calls;
		const { rows } = compareSummaries([
			run('rr', 'never', 0, 100, {
				queries: { ...queries, aggregated: 4 },
				calls: { ...calls, cancelled: 1, neverStarted: 0, cut: 8 },
			}),
			run('rr', 'never', 1, 100, {
				queries: { ...queries, aggregated: 8 },
				calls: { ...calls, cancelled: 3, neverStarted: 5, cut: 0 },
			}),
			// As an earlier version wrote it.
			run('old', 'never', 0, 100, { calls: earlier as Summary['calls'] }),
		]);
		expect(rowOf(rows, 'rr')).toMatchObject({
			aggregatedQueries: { mean: 6, low: 0 },
			cancelledCalls: { mean: 2 },
			neverStartedCalls: { mean: 2.5 },
			cutCalls: { mean: 4, low: 0 },
		});
		expect(rowOf(rows, 'old').cutCalls).toEqual({ mean: 0, low: 0, high: 0 });
	});

	it('says false for what is slower, and null for the baseline itself', () => {
		const { rows } = compareSummaries(
			[0, 1].flatMap((seed) => [run('rr', 'never', seed, 100), run('worst', 'never', seed, 300 + seed)]),
		);
		expect(rowOf(rows, 'worst').wins).toBe(false);
		expect(rowOf(rows, 'rr')).toMatchObject({ wins: null, speedup: { mean: 1, low: 1, high: 1 } });
	});

	it('names no winner on one seed, however large the gain', () => {
		const { rows } = compareSummaries([run('rr', 'never', 1, 100), run('ilp', 'never', 1, 10)]);
		const ilp = rowOf(rows, 'ilp');
		expect(ilp.speedup?.low).toBe(ilp.speedup?.high);
		expect(ilp.speedup?.mean).toBeCloseTo(10, 12);
		expect(ilp.wins).toBeNull();
	});

	it('takes scheduler, or scheduler and gate, as baseline', () => {
		const summaries = ['rr', 'ilp'].flatMap((scheduler) =>
			['never', 'majority'].map((gate) => run(scheduler, gate, 1, 100)),
		);
		expect(compareSummaries(summaries).baseline).toBe('rr/never');
		expect(compareSummaries(summaries, 'ilp').baseline).toBe('ilp/never');
		expect(compareSummaries(summaries, 'ilp/majority').baseline).toBe('ilp/majority');
	});

	it('has no speed-up without a common seed, no delta or bound where one is unknown', () => {
		const { rows } = compareSummaries([
			run('rr', 'never', 1, 100),
			run('ilp', 'never', 2, 50, {
				lowerBoundSeconds: null,
				accuracy: { ...TEMPLATE.accuracy, deltaPoints: null },
			}),
		]);
		expect(rowOf(rows, 'ilp')).toMatchObject({
			speedup: null,
			wins: null,
			lowerBoundSeconds: null,
			accuracyDeltaPoints: null,
		});
		expect(rowOf(rows, 'rr').lowerBoundSeconds).toEqual({ mean: 10, low: 10, high: 10 });
	});

	it('never gives a time below zero', () => {
		const { rows } = compareSummaries([run('rr', 'never', 1, 1), run('rr', 'never', 2, 1000)]);
		expect(rows[0]?.makespanSeconds.low).toBe(0);
	});

	it('tells the latencies of queries that come over time, and not of a batch', () => {
		const withQueries = (scheduler: string, arrivalSpanSeconds: number, p95s: readonly (number | null)[]) =>
			p95s.map((p95Seconds, seed) => {
				const queries = { ...TEMPLATE.queries, arrivalSpanSeconds, p95Seconds };
				return run(scheduler, 'never', seed, 100, { queries });
			});
		const { rows } = compareSummaries([
			...withQueries('rr', 60, [10, 20, 30]),
			...withQueries('dp', 0, [10, 20, 30]),
			...withQueries('ilp', 60, [10, null, 30]),
		]);
		expect(rowOf(rows, 'rr').latencyP95Seconds?.mean).toBeCloseTo(20, 12);
		expect(rowOf(rows, 'dp').latencyP95Seconds).toBeNull();
		expect(rowOf(rows, 'ilp').latencyP95Seconds).toBeNull();
	});

	it('has exactly the keys that the contract names, and idlePercent', () => {
		const comparison = compareSummaries([run('rr', 'never', 1, 100)]);
		expect(Object.keys(comparison)).toEqual(['format', 'baseline', 'seeds', 'rows']);
		expect(Object.keys(comparison.rows[0] ?? {}).sort()).toEqual(
			[
				'lossBoundPoints',
				...['aggregatedQueries', 'cancelledCalls', 'cutCalls', 'neverStartedCalls'],
				'scheduler',
				'gate',
				'gateNote',
				'makespanSeconds',
				'expertSeconds',
				'aggregatorSeconds',
				'latencyP95Seconds',
				'speedup',
				'accuracyDeltaPoints',
				'lowerBoundSeconds',
				'timesBound',
				'idlePercent',
				'wins',
			].sort(),
		);
	});

	it('says of every gate once why it spends nothing, and under whom where schedulers differ', () => {
		const because = (scheduler: string, gate: string, note: string | null) =>
			run(scheduler, gate, 1, 100, { gateEvidence: { ...EVIDENCE, note } });
		const told = (...runs: readonly Summary[]) => notesOf(compareSummaries(runs).rows);
		const few = because('rr', 'calibrated', 'too few');
		expect(told(few, because('ilp', 'calibrated', 'too few'))).toEqual([
			'gate calibrated spends nothing of its budget: too few',
		]);
		const majority = because('rr', 'majority', 'no good');
		expect(
			told(few, majority, because('ilp', 'calibrated', 'too few'), because('adaptive', 'calibrated', null)),
		).toEqual([
			'rr, ilp: gate calibrated spends nothing of its budget: too few',
			'gate majority spends nothing of its budget: no good',
		]);
	});

	it('says nothing of what never spends where only audits have made it tell', () => {
		const audit = { audited: 0, disagreed: 0, expectedShare: 0.5, drifted: false };
		const unspent = { ...EVIDENCE, note: 'nothing that saves work was shown to cost less' };
		const noteOf = (gate: string, over: Partial<GateEvidence>) =>
			compareSummaries([run('rr', gate, 1, 100, { gateEvidence: { ...unspent, ...over } })]).rows[0]
				?.gateNote;
		expect(noteOf('never', { audit })).toBeNull();
		expect(noteOf('never', {})).toContain(unspent.note);
		expect(noteOf('calibrated', { audit })).toContain(unspent.note);
	});

	it.each([
		['E_NO_RUNS', [], undefined, 'at least one run'],
		[
			'E_UNKNOWN_BASELINE',
			[run('rr', 'never', 1, 1)],
			'ipl',
			"baseline 'ipl' was not run: expected rr/never",
		],
		[
			'E_UNKNOWN_BASELINE',
			[run('rr', 'never', 1, 1), run('ilp', 'never', 1, 1)],
			'ipl',
			'expected one of rr/never, ilp/never',
		],
		['E_UNKNOWN_BASELINE', [run('rr-x', 'never', 1, 1)], 'rr', 'rr-x/never'],
		[
			'E_DUPLICATE_RUN',
			[run('rr', 'never', 1, 1), run('rr', 'never', 1, 2)],
			undefined,
			'rr/never with seed 1',
		],
	])('refuses with %s', (code, summaries, baseline, message) => {
		try {
			compareSummaries(summaries, baseline);
			expect.unreachable();
		} catch (error) {
			expect(error).toBeInstanceOf(UsageError);
			expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
		}
	});
});
