import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { gpuTimeline } from '../../sim/report/gpu-time.ts';
import { summarize } from '../../sim/report/summary.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { knowsLengths, schedulerNames } from '../../solver/index.ts';
import { otherwiseHidden } from '../support/hidden.ts';
import { policyFor, SLOW_POLICIES } from '../support/policies.ts';
import { randomSetup, type SetupShape, setupShapes } from '../support/random-setup.ts';
import { lawBreaches } from '../support/run-laws.ts';

/** null: the setup asks for what the policy says cannot be. */
async function run(setup: Setup, name: string): Promise<readonly RunRecord[] | null> {
	const records: RunRecord[] = [];
	try {
		await simulate(setup, policyFor(name, setup), createGate(setup.gate), {
			version: 'test',
			onRecord: (record) => {
				records.push(record);
				if (records.length > 50_000) throw new Error('the run does not end');
			},
		});
	} catch (error) {
		if (error instanceof UsageError) return null;
		throw error;
	}
	return records;
}

const overTime: fc.Arbitrary<SetupShape> = setupShapes.map((shape) => ({ ...shape, arrivals: true }));
const numRuns = (name: string): number => (SLOW_POLICIES.has(name) ? 25 : 80);

describe.each(schedulerNames)('%s, with queries that come over time', (name) => {
	it('settles every query, and its latencies are what a slow count says', async () => {
		let runs = 0;
		await fc.assert(
			fc.asyncProperty(overTime, async (shape) => {
				const setup = randomSetup(shape);
				const records = await run(setup, name);
				if (records === null) return;
				runs++;
				expect(lawBreaches(records, setup)).toEqual([]);
				const { queries } = summarize(records);
				expect(queries.settledByVote + queries.aggregated).toBeLessThanOrEqual(setup.queries.length);
				const latencies = setup.queries.map(({ id, arrivalUs }) => {
					const ends = records.filter((record) => record.type === 'query-settled' && record.query === id);
					expect(ends).toHaveLength(1);
					return (ends[0]?.timeUs ?? 0) - arrivalUs;
				});
				expect(Math.min(...latencies)).toBeGreaterThanOrEqual(0);
				expect(queries.p50Seconds).toBe(slowPercentile(latencies, 50) / 1e6);
				expect(queries.p95Seconds).toBe(slowPercentile(latencies, 95) / 1e6);
				expect(queries.p99Seconds).toBe(slowPercentile(latencies, 99) / 1e6);
				const [first, last] = [setup.queries[0], setup.queries.at(-1)];
				expect(queries.arrivalSpanSeconds).toBe(((last?.arrivalUs ?? 0) - (first?.arrivalUs ?? 0)) / 1e6);
				expect(wrongCauses(records)).toEqual([]);
			}),
			{ seed: 20256, numRuns: numRuns(name) },
		);
		expect(runs).toBeGreaterThan(12);
	});
});

describe.each(schedulerNames)('%s does not see', (name) => {
	const known = knowsLengths(name) ? 'lengths' : 'nothing';
	it(`queries to come, ${known === 'lengths' ? '' : 'true lengths '}and answers until they are revealed`, async () => {
		let differed = 0;
		await fc.assert(
			fc.asyncProperty(setupShapes, fc.double({ min: 0, max: 1, noNaN: true }), async (shape, share) => {
				const setup = randomSetup(shape);
				const records = await run(setup, name);
				if (records === null) return;
				const untilUs = Math.floor(share * (records.at(-1)?.timeUs ?? 0));
				const other = await run(otherwiseHidden(setup, records, untilUs, known), name);
				const until = (log: readonly RunRecord[] | null) =>
					log?.filter(({ timeUs }) => timeUs <= untilUs).map(withoutVerdict);
				expect(until(other)).toEqual(until(records));
				if (JSON.stringify(other?.map(withoutVerdict)) !== JSON.stringify(records.map(withoutVerdict)))
					differed++;
			}),
			{ seed: 20257, numRuns: numRuns(name) },
		);
		expect(differed).toBeGreaterThan(12);
	});
});

/** What the judge says after the fact is not for policies. */
function withoutVerdict(record: RunRecord): RunRecord {
	return record.type === 'query-settled' ? { ...record, correct: null, aggregateAllCorrect: null } : record;
}

/** Nearest rank by its definition. */
function slowPercentile(values: readonly number[], percent: number): number {
	const candidates = values.filter(
		(value) => 100 * values.filter((other) => other <= value).length >= percent * values.length,
	);
	return Math.min(...candidates);
}

/** Idle time is put down to missing demand exactly where no query is unfinished and nothing loads, switches or computes. */
function wrongCauses(records: readonly RunRecord[]): string[] {
	const openAt = (timeUs: number): number =>
		records.reduce((count, record) => {
			if (record.timeUs > timeUs) return count;
			return count + (record.type === 'query-arrived' ? 1 : record.type === 'query-settled' ? -1 : 0);
		}, 0);
	return gpuTimeline(records).flatMap(({ gpu, fromUs, state }) => {
		const isIdle = openAt(fromUs) === 0;
		const isRight =
			state === 'noDemand' ? isIdle : !isIdle || !['starved', 'barrier', 'memory', 'down'].includes(state);
		return isRight ? [] : [`${gpu} at ${fromUs}: ${state} with ${openAt(fromUs)} open queries`];
	});
}
