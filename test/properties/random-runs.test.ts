import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { randomGate } from '../support/random-gate.ts';
import { randomPolicy } from '../support/random-policy.ts';
import { randomSetup, type SetupShape, setupShapes } from '../support/random-setup.ts';
import { lawBreaches } from '../support/run-laws.ts';

const FIXED = { seed: 20251, numRuns: 1000 };

async function run(shape: SetupShape): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(randomSetup(shape), randomPolicy(shape.seed), randomGate(shape), {
		version: 'test',
		onRecord: (record) => {
			records.push(record);
			// A run of this size has hundreds; one that never ends would hang the test instead of failing it.
			if (records.length > 20_000) throw new Error('the run does not end');
		},
	});
	return records;
}

/** A call is refused by its engine and cancelled in the same instant. */
const refusedAndCancelled: SetupShape = {
	seed: 491881,
	gpus: 3,
	models: 1,
	queries: 4,
	slots: 2,
	aggregator: false,
	gate: 'majority',
	arrivals: true,
};

describe('random workloads under a random policy', () => {
	it('keep the laws of every run', async () => {
		await fc.assert(
			fc.asyncProperty(setupShapes, async (shape) => {
				expect(lawBreaches(await run(shape), randomSetup(shape), randomGate(shape))).toEqual([]);
			}),
			{ ...FIXED, examples: [[refusedAndCancelled]] },
		);
	});

	it('give the same records for the same seed', async () => {
		await fc.assert(
			fc.asyncProperty(setupShapes, async (shape) => {
				expect(JSON.stringify(await run(shape))).toBe(JSON.stringify(await run(shape)));
			}),
			{ ...FIXED, numRuns: 100 },
		);
	});

	it('meet everything that can happen to a call, a query and a replica', async () => {
		const seen = new Set<string>();
		for (const shape of fc.sample(setupShapes, { ...FIXED, numRuns: 100 })) {
			const cut = new Set<string>();
			for (const record of await run(shape)) {
				if (record.type === 'replica-changed') seen.add(record.state);
				else if (record.type === 'query-settled') seen.add(`settled by ${record.by}`);
				else if (record.type === 'call-finished') {
					seen.add(`finished by ${record.finishReason}`);
					if (record.preemptions > 0) seen.add('preempted');
					if (record.cachedPromptTokens > 0) seen.add('cached prompt');
					if (record.migrations) seen.add('moved');
					if (record.finishReason === 'length' && cut.has(record.call))
						seen.add(`${record.role} cut by the gate`);
				} else if (record.type === 'call-cancelled')
					seen.add(record.replica === null ? 'never started' : 'cancelled');
				else if (record.type === 'call-dispatched' && record.cutTokens !== undefined) cut.add(record.call);
				else seen.add(record.type);
			}
		}
		const replicas = [
			'loading',
			'awake',
			'falling-asleep',
			'asleep-1',
			'asleep-2',
			'waking',
			'stopping',
			'stopped',
		];
		const queries = ['settled by vote', 'settled by aggregator', 'settled by failure', 'aggregation-needed'];
		const calls = ['finished by stop', 'finished by length', 'preempted', 'cached prompt', 'call-failed'];
		const beyond = [
			'moved',
			'call-migrated',
			'call-parked',
			'expert cut by the gate',
			'aggregator cut by the gate',
		];
		const rest = [
			'cancelled',
			'never started',
			'start-refused',
			'engine-active',
			'engine-sample',
			'plan-made',
		];
		expect([...seen]).toEqual(
			expect.arrayContaining([...replicas, ...queries, ...calls, ...beyond, ...rest]),
		);
	});
});
