import { describe, expect, it } from 'vitest';
import { createGate } from '../../../sim/aggregate/index.ts';
import type { LengthDistribution } from '../../../sim/domain/distribution.ts';
import { gpuId } from '../../../sim/domain/ids.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { type SimulateOptions, simulate } from '../../../sim/run/simulate.ts';
import { createAdaptive } from '../../../solver/adaptive.ts';
import { type SmallSetup, smallSetup } from '../../support/setup-builder.ts';

/** Far more than any of these runs has; who goes round in circles reaches it. */
const MOST_RECORDS = 20_000;

async function run(setup: Setup, name = 'adaptive', failures: SimulateOptions['failures'] = []) {
	const records: RunRecord[] = [];
	await simulate(setup, createAdaptive(name), createGate(setup.gate), {
		version: 'test',
		failures,
		onRecord: (record) => {
			records.push(record);
			if (records.length > MOST_RECORDS) throw new Error('goes round in circles');
		},
	});
	return records;
}

const changes = (records: readonly RunRecord[], ...states: readonly string[]) =>
	records.filter((record) => record.type === 'replica-changed').filter(({ state }) => states.includes(state));

const settledSeconds = (records: readonly RunRecord[], query: string): number =>
	(records.find((record) => record.type === 'query-settled' && record.query === query)?.timeUs ??
		Number.POSITIVE_INFINITY) / 1e6;

const endSeconds = (records: readonly RunRecord[]): number => (records.at(-1)?.timeUs ?? 0) / 1e6;

/** Long calls on two GPUs, which an engine over both serves more quickly. */
function quickPair(): Setup {
	const setup = smallSetup({
		gpus: 2,
		aggregator: null,
		gate: 'unanimous',
		engine: { maxModelLen: 40_000, numGpuBlocks: 10_001 },
		queries: Array.from({ length: 200 }, (_, i) => ({
			calls: (i > 0 ? [2000] : [50, 90]).map((outputTokens) => ({
				model: i > 0 ? 'a' : 'b',
				outputTokens,
			})),
		})),
	});
	return {
		...setup,
		models: setup.models.map((model) => ({ ...model, outputLimitTokens: 30_000 })),
		lengths: setup.lengths.map((length) => ({ ...length, distribution: constantLength(2000, 0) })),
		profiles: setup.profiles.map((profile) =>
			profile.tensorParallel === 2 ? { ...profile, step: { ...profile.step, baseUs: 4000 } } : profile,
		),
	};
}

const constantLength = (tokens: number, runawayShare: number): LengthDistribution => ({
	body: { family: 'constant', tokens },
	shiftTokens: 0,
	capTokens: 30_000,
	runawayShare,
	scale: 1,
});

const everySecond = (count: number, rare: number, tokens: number): SmallSetup['queries'] =>
	Array.from({ length: count }, (_, i) => ({
		arrivalUs: i * 1_000_000,
		calls: [{ model: i === rare ? 'b' : 'a', outputTokens: i === rare ? 50 : tokens }],
	}));

describe('adaptive in trouble', () => {
	it.each([0, 1e12])(
		'lets no model starve while others keep arriving (%d bytes of host memory)',
		async (ram) => {
			const setup = smallSetup({
				gpus: 1,
				aggregator: null,
				gate: 'never',
				hostRamBytes: ram,
				loadSeconds: 5,
				queries: everySecond(300, 20, 300),
			});
			const records = await run(setup);
			expect(settledSeconds(records, 'q20')).toBeLessThan(60);
			expect(settledSeconds(await run(setup, 'adaptive:all-rebalance'), 'q20')).toBeGreaterThan(200);
			// And it goes back at once to those it was taken from.
			expect(changes(records, 'loading').length).toBeLessThan(6);
		},
	);

	it('does not clear all GPUs for one long call again and again', async () => {
		const small = smallSetup({
			gpus: 4,
			gate: 'never',
			aggregator: { model: 'a', tensorParallel: 1 },
			engine: { maxModelLen: 40_000, numGpuBlocks: 20_001, maxNumSeqs: 8 },
			queries: Array.from({ length: 55 }, (_, i) => ({
				aggregatorOutputTokens: 5,
				calls: [{ model: 'a', outputTokens: i === 3 ? 20_000 : 100 }],
			})),
		});
		const setup: Setup = {
			...small,
			models: small.models.map((model) => ({ ...model, outputLimitTokens: 30_000 })),
			lengths: small.lengths.map((length) =>
				length.role === 'expert' ? { ...length, distribution: constantLength(100, 0.008) } : length,
			),
			profiles: small.profiles
				.filter(({ tensorParallel }) => tensorParallel !== 2)
				.map((profile) => ({
					...profile,
					loadUs: profile.tensorParallel === 4 ? 10_000_000 : 100_000,
					step: { ...profile.step, baseUs: profile.tensorParallel === 4 ? 5000 : 12_000 },
				})),
		};
		const records = await run(setup);
		expect(records.filter(({ type }) => type === 'query-settled')).toHaveLength(55);
		expect(changes(records, 'loading').length).toBeLessThan(12);
	});

	it('takes single engines when those over two GPUs die', async () => {
		const failures = [1, 2].map((second) => ({
			timeUs: second * 1_000_000,
			gpu: gpuId('gpu1'),
			reason: 'nccl',
			restart: false,
		}));
		const records = await run(quickPair(), 'adaptive', failures);
		expect(records.filter(({ type }) => type === 'call-cancelled')).toEqual([]);
		expect(records.filter((record) => record.type === 'query-settled' && record.by === 'vote')).toHaveLength(
			200,
		);
	});

	it('does not go wide where the engine takes few sequences at a time', async () => {
		const small = smallSetup({
			gpus: 4,
			gate: 'never',
			aggregator: null,
			queries: Array.from({ length: 400 }, () => ({ calls: [{ model: 'a', outputTokens: 500 }] })),
		});
		const setup = {
			...small,
			profiles: small.profiles
				.filter(({ tensorParallel }) => tensorParallel !== 2)
				.map((profile) => ({
					...profile,
					step: { ...profile.step, baseUs: profile.tensorParallel === 1 ? 12_000 : 11_000 },
				})),
		};
		const seconds = endSeconds(await run(setup));
		expect(seconds).toBeLessThanOrEqual(1.02 * endSeconds(await run(setup, 'adaptive:all-tensor')));
	});

	it('plans again once after a long rest', async () => {
		const setup = smallSetup({
			gpus: 1,
			gate: 'never',
			aggregator: null,
			queries: [0, 7 * 86_400].map((second) => ({
				arrivalUs: second * 1_000_000,
				calls: [{ model: 'a', outputTokens: 30 }],
			})),
		});
		expect((await run(setup)).filter(({ type }) => type === 'plan-made')).toHaveLength(2);
	});

	it('leaves the second engine of a GPU alone when the first has work', async () => {
		const setup = smallSetup({
			gpus: 1,
			enginesPerGpu: 2,
			gpuBytesPerGpu: 30e9,
			hostRamBytes: 0,
			loadSeconds: 5,
			gate: 'never',
			aggregator: { model: 'b', tensorParallel: 1 },
			queries: Array.from({ length: 150 }, () => ({
				aggregatorOutputTokens: 20,
				calls: [{ model: 'a', outputTokens: 300 }],
			})),
		});
		const loads = changes(await run(setup), 'loading', 'waking');
		expect(loads.filter(({ model }) => model === 'b')).toHaveLength(1);
	});

	it('uses a free GPU before it sends an idle engine away', async () => {
		// Model a waits idle on gpu0 when the call for b comes; the other GPUs are free.
		const setup = smallSetup({
			gpus: 3,
			hostRamBytes: 0,
			gate: 'never',
			aggregator: null,
			queries: [
				{ arrivalUs: 0, calls: [{ model: 'a', outputTokens: 30 }] },
				{ arrivalUs: 60_000_000, calls: [{ model: 'b', outputTokens: 30 }] },
				{ arrivalUs: 120_000_000, calls: [{ model: 'a', outputTokens: 30 }] },
			],
		});
		const records = await run(setup);
		expect(changes(records, 'loading').map(({ model }) => model)).toEqual(['a', 'b']);
	});
});
