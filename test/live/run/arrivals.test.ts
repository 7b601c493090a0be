import { describe, expect, it } from 'vitest';
import { createGate } from '../../../sim/aggregate/index.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { simulate } from '../../../sim/run/simulate.ts';
import { createScheduler } from '../../../solver/index.ts';
import { drawArrivals } from '../../../traces/generate/arrivals.ts';
import { demandOf } from '../../support/setup-builder.ts';
import { drive } from './drive.ts';
import { mixedSetup } from './small-runs.ts';

/** The first query comes well after the plan; some follow each other closely, some leave the cluster idle. */
function poissonSetup(seed: number): Setup {
	const setup = mixedSetup(seed);
	const times = drawArrivals(seed, setup.queries.length, { perSecond: 0.2, burstiness: 1 });
	const queries = setup.queries.map((query, index) => ({
		...query,
		arrivalUs: Math.round((times[index] ?? 0) * 1e6),
	}));
	return { ...setup, queries, demand: demandOf(queries) };
}

/** The same records, whatever the order within one microsecond, but for what names the world. */
const sorted = (records: readonly RunRecord[]): readonly string[] =>
	records
		.map((record) => ({
			timeUs: record.timeUs,
			text: JSON.stringify(record.type === 'run-started' ? { ...record, world: '', engineMode: '' } : record),
		}))
		.sort((a, b) => a.timeUs - b.timeUs || (a.text < b.text ? -1 : 1))
		.map(({ text }) => text);

describe('a live run with Poisson arrivals', () => {
	it.each([
		['round-robin', 'never'],
		['data-parallel', 'majority'],
		['sequential', 'unanimous'],
		['greedy', 'majority'],
		['ilp', 'unanimous'],
	])('%s under %s: record for record the simulation', async (name, gate) => {
		const setup = poissonSetup(3);
		const { outcome, records } = await drive({ setup, scheduler: name, gate });
		expect(outcome).toMatchObject({ status: 'complete', failedCalls: 0 });
		const simulated: RunRecord[] = [];
		await simulate(setup, createScheduler(name, { clockSeconds: () => 0 }), createGate(gate), {
			version: 'test',
			onRecord: (record) => simulated.push(record),
		});
		expect(sorted(records)).toEqual(sorted(simulated));
		const arrived = records.filter((record) => record.type === 'query-arrived');
		expect(arrived.map(({ timeUs }) => timeUs)).toEqual(setup.queries.map(({ arrivalUs }) => arrivalUs));
		// Loading does not wait for the first query.
		const first = records.find((record) => record.type === 'replica-changed');
		expect(first?.timeUs).toBeLessThan(setup.queries[0]?.arrivalUs ?? 0);
		const states = new Set(
			records.flatMap((record) => (record.type === 'replica-changed' ? [record.state] : [])),
		);
		expect([...states]).toEqual(expect.arrayContaining(['falling-asleep', 'waking']));
	});
});
