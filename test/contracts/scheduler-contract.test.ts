import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import type { ReplicaChanged, RunRecord } from '../../sim/domain/run-log.ts';
import type { Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler, schedulerNames } from '../../solver/index.ts';
import { loadExperiment } from '../../traces/index.ts';
import { badPolicies } from '../support/bad-policy.ts';
import { policyFor, SLOW_POLICIES } from '../support/policies.ts';
import { randomSetup, setupShapes } from '../support/random-setup.ts';
import { type SmallQuery, type SmallSetup, smallSetup } from '../support/setup-builder.ts';
import { contractBreaches } from './scheduler-contract.ts';

const deps = { clockSeconds: () => 0 };

const answersOf = (answers: string): SmallQuery['calls'] =>
	[...answers].map((answer, slot) => ({
		model: ['short', 'long', 'other'][slot] ?? 'short',
		outputTokens: slot === 1 ? 200 : 20,
		answer,
	}));

/** Twelve queries: unanimous ones, split ones, and some that ask one model twice. */
const mixed: SmallSetup = {
	gpus: 4,
	reasoning: ['long'],
	aggregator: { model: 'long', tensorParallel: 4 },
	queries: [...'ABCDEF']
		.flatMap((letter) => [{ calls: answersOf(`${letter}${letter}${letter}`) }, { calls: answersOf('ABC') }])
		.concat([{ calls: [...answersOf('A'), ...answersOf('AA')] }]),
};

const cases: Readonly<Record<string, SmallSetup>> = {
	'every query aggregated': mixed,
	'only unanimous queries settled by vote': { ...mixed, gate: 'unanimous' },
	'a majority gate': { ...mixed, gate: 'majority' },
	'no aggregator': { ...mixed, aggregator: null },
	'more GPUs than models': { ...mixed, gpus: 8 },
	'one GPU': {
		...mixed,
		gpus: 1,
		aggregator: { model: 'agg', tensorParallel: 1 },
		planOptions: { maxModelsPerWorker: 3 },
	},
	'one call': { queries: [{ calls: [{ model: 'a', outputTokens: 1 }] }] },
	'queries that arrive one after another': {
		...mixed,
		queries: mixed.queries.map((query, index) => ({ ...query, arrivalUs: 400_000 * index })),
	},
	'small models that would fit side by side': { ...mixed, gpuBytesPerGpu: 20e9 },
};

describe.each(schedulerNames)('%s', (name) => {
	it.each(Object.keys(cases))('keeps the contract: %s', async (label) => {
		const setup = smallSetup(cases[label] as SmallSetup);
		expect(await contractBreaches(() => policyFor(name, setup), setup)).toEqual([]);
	});

	it('keeps the contract on random workloads', async () => {
		let runs = 0;
		await fc.assert(
			fc.asyncProperty(setupShapes, async (shape) => {
				const setup = randomSetup(shape);
				const breaches = await breachesUnlessRefused(name, setup);
				if (breaches === null) return;
				runs++;
				expect(breaches).toEqual([]);
			}),
			{ seed: 20252, numRuns: SLOW_POLICIES.has(name) ? 25 : 60 },
		);
		expect(runs).toBeGreaterThan(12);
	});

	it('carries the same plan out twice to the same end', async () => {
		const plans = await Promise.all(
			[1, 2].map(async () => {
				const plans: unknown[] = [];
				const setup = smallSetup(mixed);
				const scheduler = policyFor(name, setup);
				const recording: Scheduler = {
					...scheduler,
					plan: async (problem) => {
						const made = await scheduler.plan(problem);
						const { details: _, ...plan } = made;
						plans.push(plan);
						return made;
					},
				};
				expect(await contractBreaches(() => recording, setup)).toEqual([]);
				return plans;
			}),
		);
		expect(plans[0]).toEqual(plans[1]);
	});
});

/** null: the setup asks for what cannot be, such as more models than the seats of its only GPU, and the policy says so. */
async function breachesUnlessRefused(name: string, setup: Setup): Promise<readonly string[] | null> {
	try {
		return await contractBreaches(() => policyFor(name, setup), setup);
	} catch (error) {
		if (error instanceof UsageError) return null;
		throw error;
	}
}

describe('adaptive on a workload on which it empties replicas that have calls', () => {
	const setup = { ...loadExperiment('gpqa', { seed: 0 }), gate: 'majority' };

	it('keeps the contract', async () => {
		expect(await contractBreaches(() => createScheduler('adaptive', deps), setup)).toEqual([]);
	});

	it('sends them to sleep, or stops them, in the instant in which their calls leave', async () => {
		const records: RunRecord[] = [];
		await simulate(setup, createScheduler('adaptive', deps), createGate(setup.gate), {
			version: 'test',
			onRecord: (record) => records.push(record),
		});
		const emptied = records.filter(
			(record, index) =>
				record.type === 'replica-changed' &&
				(record.state === 'falling-asleep' || record.state === 'stopping') &&
				records.slice(index).some(leaves(record)),
		);
		expect(emptied.length).toBeGreaterThan(0);
	});
});

const leaves =
	({ replica, timeUs }: ReplicaChanged) =>
	(record: RunRecord): boolean =>
		record.type === 'call-migrated' && record.from === replica && record.timeUs === timeUs;

describe('the ILP in its own thread', () => {
	it('keeps the contract', async () => {
		expect(await contractBreaches(() => createScheduler('ilp', deps), smallSetup(mixed))).toEqual([]);
	});
});

describe('a bad policy is caught', () => {
	/** Two engines of a third of a GPU fit on one, four do not. */
	const roomy = smallSetup({ ...mixed, gpuBytesPerGpu: 25e9 });

	it.each(Object.keys(badPolicies))('that %s', async (name) => {
		const policy = badPolicies[name];
		const breaches = await contractBreaches(() => (policy as NonNullable<typeof policy>).create(), roomy);
		expect(breaches.find((breach) => policy?.caught.test(breach)) ?? breaches).toMatch(
			policy?.caught as RegExp,
		);
	});

	it('and the policy it was made from is not', async () => {
		expect(await contractBreaches(() => createScheduler('round-robin', deps), roomy)).toEqual([]);
	});
});
