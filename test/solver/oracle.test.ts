import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import type { RunRecord, RunStarted } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { compareSummaries } from '../../sim/report/comparison.ts';
import { summarize } from '../../sim/report/summary.ts';
import { comparisonTable, summaryTable } from '../../sim/report/tables.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { policyFor } from '../support/policies.ts';
import { smallSetup } from '../support/setup-builder.ts';

async function run(setup: Setup, name: string): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(setup, policyFor(name, setup), createGate(setup.gate), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return records;
}

/** Ten queries of one call each, the longest in the middle; all are expected to be alike. */
const lengths = [10, 20, 30, 40, 300, 50, 60, 200, 70, 80];
const setup = smallSetup({
	gpus: 1,
	aggregator: null,
	engine: { maxNumSeqs: 2 },
	queries: lengths.map((outputTokens) => ({ calls: [{ model: 'a', outputTokens }] })),
});

const dispatched = (records: readonly RunRecord[]): readonly number[] =>
	records.flatMap((record) =>
		record.type === 'call-dispatched' ? [lengths[Number(record.query.slice(1))] ?? 0] : [],
	);

describe('oracle', () => {
	it('starts the longest calls first, which ends sooner', async () => {
		const [oracle, adaptive] = await Promise.all([run(setup, 'oracle'), run(setup, 'adaptive')]);
		expect(dispatched(oracle)).toEqual(lengths.toSorted((a, b) => b - a));
		expect(dispatched(adaptive)).toEqual(lengths);
		const seconds = (records: readonly RunRecord[]): number => summarize(records).makespanSeconds;
		// 2 s to load, then 860 tokens in two sequences of 10 ms a step, within a rounding of the first step.
		expect(seconds(oracle)).toBeLessThan(2 + 4.3 + 0.3);
		expect(seconds(oracle)).toBeLessThan(seconds(adaptive));
	});

	it('goes by the way a call still has before it, its aggregation included', async () => {
		const queries = [
			{ calls: [{ model: 'a', outputTokens: 100 }], aggregatorOutputTokens: 10 },
			{ calls: [{ model: 'a', outputTokens: 50 }], aggregatorOutputTokens: 200 },
		];
		const records = await run(
			smallSetup({
				gpus: 1,
				queries,
				engine: { maxNumSeqs: 1 },
				aggregator: { model: 'a', tensorParallel: 1 },
			}),
			'oracle',
		);
		const order = records.flatMap((record) => (record.type === 'call-dispatched' ? [record.call] : []));
		expect(order.indexOf('q1/0' as never)).toBeLessThan(order.indexOf('q0/0' as never));
	});

	it('is marked wherever it is shown, and nobody else is', async () => {
		const [oracle, adaptive] = await Promise.all([run(setup, 'oracle'), run(setup, 'adaptive')]);
		expect((oracle[0] as RunStarted).knowsLengths).toBe(true);
		expect(adaptive[0]).not.toHaveProperty('knowsLengths');
		const summaries = [summarize(adaptive), summarize(oracle)];
		expect(summaries.map(({ knowsLengths }) => knowsLengths)).toEqual([undefined, true]);
		const { rows, baseline } = compareSummaries(summaries);
		expect(rows.map(({ knowsLengths }) => knowsLengths)).toEqual([undefined, true]);
		const lines = comparisonTable({ rows, baseline }).split('\n');
		expect(lines.find((line) => line.startsWith('oracle'))).toMatch(/^oracle\* /);
		expect(lines.at(-1)).toBe('* knows the length of every output beforehand, as nobody can');
		expect(comparisonTable({ rows: rows.slice(0, 1), baseline })).not.toContain('*');
		expect(summaryTable(summaries[1] as never)).toContain('knows the length of every output');
	});
});
