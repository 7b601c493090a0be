import { describe, expect, it } from 'vitest';
import { createSetupGate } from '../../../sim/aggregate/index.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import { simulate } from '../../../sim/run/simulate.ts';
import { ADAPTIVE_SWITCHES } from '../../../solver/adaptive/switches.ts';
import { createAdaptive } from '../../../solver/adaptive.ts';
import { loadExperiment } from '../../../traces/index.ts';
import { contractBreaches } from '../../contracts/scheduler-contract.ts';
import { type SmallSetup, smallSetup } from '../../support/setup-builder.ts';

async function run(name: string, sets: readonly string[] = [], gate = 'majority') {
	const setup = { ...loadExperiment('gpqa', { sets: [...sets], seed: 0 }), gate };
	const scheduler = createAdaptive(name);
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createSetupGate(setup, scheduler.takesCuts ?? false), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	const count = (holds: (record: RunRecord) => boolean): number => records.filter(holds).length;
	return {
		records,
		moved: count(({ type }) => type === 'call-migrated'),
		parked: count(({ type }) => type === 'call-parked'),
		cancelled: count((record) => record.type === 'call-cancelled' && record.replica !== null),
		neverStarted: count((record) => record.type === 'call-cancelled' && record.replica === null),
		slept: count((record) => record.type === 'replica-changed' && record.state === 'falling-asleep'),
		wide: count((record) => record.type === 'replica-changed' && record.gpus.length > 1),
		pairs: count((record) => record.type === 'replica-changed' && record.gpus.length === 2),
		cut: count((record) => record.type === 'call-dispatched' && record.cutTokens !== undefined),
		replans: count(({ type }) => type === 'plan-made') - 1,
	};
}

/** Three models with long tails on two GPUs: waits, changes of model, split votes. */
const crowded: SmallSetup = {
	gpus: 2,
	gate: 'majority',
	reasoning: ['long'],
	aggregator: { model: 'long', tensorParallel: 1 },
	queries: Array.from({ length: 40 }, (_, index) => ({
		calls: ['short', 'long', 'other'].map((model, slot) => ({
			model,
			outputTokens: 20 + ((index * 37 + slot * 91) % 50) * (model === 'long' ? 20 : 1),
			answer: index % 3 === 0 ? 'ABC'.charAt(slot) : 'A',
		})),
	})),
};

describe('each idea of the adaptive policy', () => {
	it('shows in the log when it is on, and not when it is off', async () => {
		const all = await run('adaptive');
		expect(all.cancelled).toBeGreaterThan(0);
		expect(all.moved).toBeGreaterThan(0);
		expect(all.parked).toBeGreaterThan(0);
		expect(all.pairs).toBeGreaterThan(0);
		expect(all.wide).toBeGreaterThan(all.pairs);
		expect(all.replans).toBeGreaterThan(0);

		expect((await run('adaptive:all-early')).cancelled).toBe(0);
		const still = await run('adaptive:all-migrate-steal-park-replan-tensor');
		expect([still.moved, still.parked, still.wide, still.replans]).toEqual([0, 0, 0, 0]);
		expect((await run('adaptive:all-tensor')).wide).toBe(0);
	});

	it('spends the accuracy budget on cuts only when they are on', async () => {
		expect((await run('adaptive', [], 'calibrated')).cut).toBeGreaterThan(0);
		expect((await run('adaptive:all-cuts', [], 'calibrated')).cut).toBe(0);
	});

	it('starts no call that the vote may not need, unless there is time to lose', async () => {
		const sets = ['cluster.gpuCount=1', 'aggregator.tensorParallel=1'];
		const held = await run('adaptive', sets);
		const hasty = await run('adaptive:all-hold', sets);
		expect(held.neverStarted).toBeGreaterThan(hasty.neverStarted);
	});

	it('puts two engines on a GPU where the cluster allows it', async () => {
		const sets = ['cluster.enginesPerGpu=2', 'engine.gpuMemoryShare=0.45'];
		const together = async (name: string): Promise<number> => {
			const { records } = await run(name, sets);
			const states = new Map<string, { readonly gpu: string; readonly serves: boolean }>();
			let most = 0;
			for (const record of records) {
				if (record.type !== 'replica-changed') continue;
				const serves = record.state === 'loading' || record.state === 'awake';
				states.set(record.replica, { gpu: record.gpus[0] ?? '', serves });
				const perGpu = new Map<string, number>();
				for (const { gpu, serves: here } of states.values())
					if (here) perGpu.set(gpu, (perGpu.get(gpu) ?? 0) + 1);
				most = Math.max(most, ...perGpu.values());
			}
			return most;
		};
		expect(await together('adaptive')).toBe(2);
		expect(await together('adaptive:all-share')).toBe(1);
	});

	it.each(ADAPTIVE_SWITCHES)('leaves a sound policy without %s, and alone', async (name) => {
		const setup = smallSetup(crowded);
		expect(await contractBreaches(() => createAdaptive(`adaptive:all-${name}`), setup)).toEqual([]);
		expect(await contractBreaches(() => createAdaptive(`adaptive:none+${name}`), setup)).toEqual([]);
	});
});
