import { describe, expect, it } from 'vitest';
import type { AuditEvidence, GateEvidence } from '../../sim/domain/calibration.ts';
import { present } from '../../sim/domain/errors.ts';
import { compareSummaries } from '../../sim/report/comparison.ts';
import { type Summary, summarize } from '../../sim/report/summary.ts';
import { comparisonTable, signed, summaryTable } from '../../sim/report/tables.ts';
import { syntheticRun } from '../support/synthetic-log.ts';

const runOf = (scheduler: string, gate: string, seed: number) =>
	summarize(
		syntheticRun({ scheduler, gate, seed, queryCount: 40, layout: scheduler === 'rr' ? 'dealt' : 'spread' }),
	);
const ESCAPE = String.fromCharCode(27);

describe('comparisonTable', () => {
	const summaries = ['rr', 'dp'].flatMap((scheduler) =>
		[1, 2].map((seed) => runOf(scheduler, 'never', seed)),
	);

	it('is plain text with one aligned line per row', () => {
		const text = comparisonTable(compareSummaries(summaries));
		const lines = text.split('\n');
		expect(lines).toHaveLength(3);
		expect(text).not.toContain(ESCAPE);
		expect(lines[0]).toMatch(
			/^scheduler +makespan s +expert s +aggregator s +speed-up +aggregated +idle % +above bound/,
		);
		expect(lines[1]).toMatch(/^rr +\d+\.\d \(\d+\.\d to \d+\.\d\).* 1\.00 .*= baseline$/);
		expect(lines[2]).toMatch(/^dp +.*\d\.\d\d \(\d\.\d\d to \d\.\d\d\)/);
	});

	it('has a column for p95 latency only where queries come over time', () => {
		expect(comparisonTable(compareSummaries(summaries))).not.toContain('latency');
		const overTime = summaries.map((summary) => ({
			...summary,
			queries: { ...summary.queries, arrivalSpanSeconds: 60, p95Seconds: 12.34 },
		}));
		const [head, ...lines] = comparisonTable(compareSummaries(overTime)).split('\n');
		expect(head).toMatch(/^scheduler +makespan s +p95 latency s +expert s/);
		for (const line of lines) expect(line).toMatch(/^(rr|dp) +\d+\.\d \(\d+\.\d to \d+\.\d\) +12\.3 /);
	});

	it('has columns for what was given up and cut only where something was', () => {
		const busy = summaries.map((summary) => ({
			...summary,
			calls: { ...summary.calls, cancelled: 2, neverStarted: 5, cut: 3 },
		}));
		const [head, line] = comparisonTable(compareSummaries(busy)).split('\n');
		expect(head).toMatch(/ aggregated +cancelled +cut +idle %/);
		expect(line).toMatch(/ 1\.00 +40 +7 +3 /);
	});

	it('shows the change of accuracy with its interval, signed, and what was promised', () => {
		const changed = (deltas: readonly number[], lossBoundPoints: number | null) =>
			comparisonTable(
				compareSummaries(
					deltas.map((deltaPoints, seed) => {
						const summary = runOf('rr', 'calibrated', seed);
						return { ...summary, accuracy: { ...summary.accuracy, deltaPoints, lossBoundPoints } };
					}),
				),
			);
		// Student's t of two values: 12.706 times half of their difference.
		expect(changed([-0.5, 1.5], 0.1)).toContain(' +0.50 (-12.21 to +13.21), promised -0.10 ');
		expect(changed([-4.17], null)).toMatch(/ % +-4\.17 +=/);
	});

	it('calls nothing the baseline that is only as long', () => {
		const as = (scheduler: string) => ({ ...runOf('rr', 'never', 1), scheduler });
		const verdicts = (...schedulers: readonly string[]) =>
			comparisonTable(compareSummaries(schedulers.map(as), 'rr')).match(/(= baseline|same makespan)$/gm);
		expect(verdicts('rr', 'adaptive:all-share')).toEqual(['= baseline', 'same makespan']);
		expect(verdicts('adaptive:all-share', 'rr')).toEqual(['same makespan', '= baseline']);
	});

	it('names the gate only where there are several', () => {
		expect(comparisonTable(compareSummaries(summaries))).not.toContain('never');
		const both = comparisonTable(compareSummaries([...summaries, runOf('rr', 'majority', 1)]));
		expect(both).toMatch(/^scheduler +gate +makespan/);
		expect(both).toContain('majority');
	});
});

const EVIDENCE: GateEvidence = {
	source: '20000 simulated past queries',
	...{ learned: 5000, tested: 15_000, budgetPoints: 0.1, confidence: 0.9, skippedShare: 0.5 },
	cutTokens: { reasoning: null, instruct: null, aggregator: null },
	...{ lossPoints: 0, lossBoundPoints: 0.1, note: null, queriesNeeded: null },
	audit: { audited: 40, disagreed: 3, expectedShare: 0.12, drifted: false },
};

describe('summaryTable', () => {
	it('promises nothing that nobody can lose, and nothing that audits took back', () => {
		const plain = runOf('rr', 'calibrated', 1);
		const told = (audit: Partial<AuditEvidence>, over: Partial<Summary['accuracy']> = {}): string => {
			const accuracy = { ...plain.accuracy, lossBoundPoints: 0.1, ...over };
			const gateEvidence = { ...EVIDENCE, audit: { ...(EVIDENCE.audit as AuditEvidence), ...audit } };
			const summary: Summary = { ...plain, accuracy, gateEvidence };
			return `${summaryTable(summary)}\n${comparisonTable(compareSummaries([summary]))}`;
		};
		expect(told({})).toMatch(/; the gate promised -0\.10 at worst.*, promised -0\.10 /s);
		const drifted = told({ disagreed: 30, drifted: true });
		expect(drifted).toContain('no longer as it was');
		expect(drifted).not.toContain('promised');
		expect(told({}, { aggregateAllValue: null, deltaPoints: null })).not.toContain('promised');
	});

	it('shows headline figures and every GPU by cause', () => {
		const summary = runOf('rr', 'majority', 1);
		const text = summaryTable(summary);
		expect(text).toContain(`makespan                 ${summary.makespanSeconds.toFixed(1)} s`);
		expect(text).toContain('40: 24 by vote, 16 aggregated');
		expect(text).toMatch(/^tokens +\d+ prompt, \d+ output$/m);
		const inVain = summaryTable({ ...summary, tokens: { ...summary.tokens, wasted: 77 } });
		expect(inVain).toMatch(/ output; 77 generated in vain, by calls that were cancelled or given back$/m);
		expect(text).toContain('feasible, objective 100.0 s, bound 95.0 s, gap 5.0 %');
		for (const { gpu, busySeconds } of summary.gpus)
			expect(text).toMatch(new RegExp(`^${gpu} +\\d+\\.\\d +${busySeconds.toFixed(1)} `, 'm'));
		expect(text).not.toMatch(/solver|given back/);
		const plan = { ...present(summary.plan, 'plan'), fallback: 'greedy', stoppedBy: 'time' as const };
		expect(summaryTable({ ...summary, plan })).toContain(
			'fell back to greedy; the solver ran out of time (plan.timeLimitSeconds): not reproducible',
		);
		const returned = { ...summary, calls: { ...summary.calls, returned: 3 } };
		expect(summaryTable(returned)).toContain('0 failed; 3 times given back by a replica that failed');
	});
});

it('signs what is not zero after rounding', () => {
	expect([0.244, -1, 0, 0.001, -0.001].map(signed)).toEqual(['+0.24', '-1.00', '0.00', '0.00', '0.00']);
});
