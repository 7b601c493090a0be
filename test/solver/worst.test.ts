import { describe, expect, it } from 'vitest';
import { createSetupGate } from '../../sim/aggregate/index.ts';
import { randomStream } from '../../sim/core/random.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { schedulerNames } from '../../solver/index.ts';
import { loadExperiment } from '../../traces/index.ts';
import { policyFor } from '../support/policies.ts';
import { type SmallCall, smallSetup } from '../support/setup-builder.ts';

async function run(setup: Setup, name: string): Promise<readonly RunRecord[]> {
	const scheduler = policyFor(name, setup);
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createSetupGate(setup, scheduler.takesCuts ?? false), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return records;
}

const makespanSeconds = (records: readonly RunRecord[]): number =>
	(records.findLast(({ type }) => type === 'query-settled')?.timeUs ?? 0) / 1e6;

/** As large as the GPQA batch: 198 questions on four GPUs, most calls to two of five models. */
function gpqaSized(seed: number): Setup {
	const random = randomStream(seed, 'worst');
	const pick = (): string => {
		const u = random();
		return u < 0.6 ? 'long' : u < 0.9 ? 'longish' : (['a', 'b', 'c'][Math.floor(3 * random())] ?? 'a');
	};
	const call = (): SmallCall => {
		const model = pick();
		return {
			model,
			outputTokens: 1 + Math.floor((model.startsWith('long') ? 600 : 60) * random()),
			answer: 'ABCD'.charAt(Math.floor(4 * random() ** 2)),
		};
	};
	return smallSetup({
		seed,
		gpus: 4,
		gate: 'majority',
		loadSeconds: 10,
		reasoning: ['long', 'longish'],
		aggregator: { model: 'long', tensorParallel: 4 },
		planOptions: { maxModelsPerWorker: 3 },
		queries: Array.from({ length: 198 }, () => ({
			calls: [call(), call(), call()],
			aggregatorOutputTokens: 1 + Math.floor(400 * random()),
		})),
	});
}

describe('worst loses', () => {
	const others = schedulerNames.filter((name) => name !== 'worst');

	it.each([0, 1, 2])('against every other policy on tiny, seed %i', async (seed) => {
		const setup = loadExperiment('tiny', { seed, sets: [] });
		const worst = makespanSeconds(await run(setup, 'worst'));
		// The slowest solver once is enough.
		for (const name of others.filter((each) => seed === 0 || each !== 'ilp-curves')) {
			const seconds = makespanSeconds(await run(setup, name));
			expect({ name, isSlower: worst > 1.5 * seconds }).toEqual({ name, isSlower: true });
		}
	});

	it.each([0, 1])('by far on a batch as large as that of gpqa, draw %i', async (seed) => {
		const setup = gpqaSized(seed);
		const worst = makespanSeconds(await run(setup, 'worst'));
		// Those that solve or rehearse start from, or end with, what these do.
		for (const name of others.filter((each) => !['ilp-curves', 'lookahead'].includes(each))) {
			const seconds = makespanSeconds(await run(setup, name));
			expect({ name, isSlower: worst > 3 * seconds }).toEqual({ name, isSlower: true });
		}
	});
});

it('runs one engine at a time, one call at a time, and aggregates last', async () => {
	const records = await run(smallSetup({ ...small, gate: 'never' }), 'worst');
	let open = 0;
	let loaded = 0;
	for (const record of records) {
		if (record.type === 'call-dispatched') open++;
		if (record.type === 'call-finished') open--;
		if (record.type === 'replica-changed' && record.state === 'loading') loaded++;
		if (record.type === 'replica-changed' && record.state === 'stopped') loaded--;
		expect(Math.max(open, loaded)).toBeLessThanOrEqual(1);
	}
	const ends = records.filter((record) => record.type === 'call-finished').map(({ role }) => role);
	expect(ends).toEqual([...Array(6).fill('expert'), ...Array(2).fill('aggregator')]);
	// `b` serves as an expert first, is stopped and loaded again.
	const starts = records.filter((record) => record.type === 'replica-changed' && record.state === 'loading');
	expect(starts).toHaveLength(3);
});

it('gives the calls of a model up whose engine never serves', async () => {
	const setup = smallSetup(small);
	const records: RunRecord[] = [];
	const failures = [0, 1].map((count) => ({
		timeUs: 1_000_000 + count * 1_500_000,
		gpu: setup.cluster.gpus[0]?.id as never,
		reason: 'died',
		restart: false,
	}));
	await simulate(setup, policyFor('worst', setup), createSetupGate(setup, false), {
		version: 'test',
		onRecord: (record) => records.push(record),
		failures,
	});
	const given = records.filter((record) => record.type === 'call-cancelled');
	expect(given.map(({ model }) => model)).toEqual(['a', 'a', 'a', 'a']);
	expect(records.filter((record) => record.type === 'query-settled')).toHaveLength(2);
});

const small = {
	gpus: 2,
	aggregator: { model: 'b', tensorParallel: 1 },
	queries: [0, 1].map(() => ({
		calls: ['a', 'a', 'b'].map((model, slot) => ({ model, outputTokens: 30, answer: 'ABC'.charAt(slot) })),
	})),
};
