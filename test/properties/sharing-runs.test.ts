import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { randomStream } from '../../sim/core/random.ts';
import { gpuId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { EngineFailure } from '../../sim/run/pending.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { randomPolicy } from '../support/random-policy.ts';
import { randomSetup, type SetupShape, sharingShapes, whole } from '../support/random-setup.ts';
import { lawBreaches } from '../support/run-laws.ts';

async function run(
	shape: SetupShape,
	failures: readonly EngineFailure[] = [],
	engineMode: Setup['engineMode'] = 'stepwise',
): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(
		{ ...randomSetup(shape), engineMode },
		randomPolicy(shape.seed, { sociable: true }),
		createGate(shape.gate),
		{
			version: 'test',
			failures,
			onRecord: (record) => {
				records.push(record);
				if (records.length > 20_000) throw new Error('the run does not end');
			},
		},
	);
	return records;
}

function randomFailures(shape: SetupShape): EngineFailure[] {
	const random = randomStream(shape.seed, 'failures');
	return Array.from({ length: whole(random, 1, 5) }, () => ({
		timeUs: whole(random, 0, 15_000_000),
		gpu: gpuId(`gpu${whole(random, 0, shape.gpus - 1)}`),
		reason: 'the engine died',
		restart: random() < 0.5,
	}));
}

/** Most engines that execute steps on one GPU at a time. */
function mostActive(records: readonly RunRecord[]): number {
	const gpusOf = new Map<string, readonly string[]>();
	const active = new Map<string, number>();
	let most = 0;
	for (const record of records) {
		if (record.type === 'replica-changed') gpusOf.set(record.replica, record.gpus);
		if (record.type !== 'engine-active') continue;
		for (const gpu of gpusOf.get(record.replica) ?? []) {
			const count = (active.get(gpu) ?? 0) + (record.active ? 1 : -1);
			active.set(gpu, count);
			most = Math.max(most, count);
		}
	}
	return most;
}

describe('random workloads on shared GPUs under a random policy', () => {
	it('keep the laws of every run: memory, host RAM, accounts, every query ended', async () => {
		let shared = 0;
		await fc.assert(
			fc.asyncProperty(sharingShapes, async (shape) => {
				const records = await run(shape);
				expect(lawBreaches(records, randomSetup(shape))).toEqual([]);
				if (mostActive(records) > 1) shared++;
			}),
			{ seed: 20256, numRuns: 400 },
		);
		expect(shared).toBeGreaterThan(40);
	});

	it('keep them when engines die as well, to be brought up again or not', async () => {
		await fc.assert(
			fc.asyncProperty(sharingShapes, async (shape) => {
				const records = await run(shape, randomFailures(shape));
				expect(lawBreaches(records, randomSetup(shape))).toEqual([]);
			}),
			{ seed: 20257, numRuns: 400 },
		);
	});

	it('give the same records whichever way their engines are carried out', async () => {
		await fc.assert(
			fc.asyncProperty(sharingShapes, async (shape) => {
				const failures = randomFailures(shape);
				const [stepwise, leaping] = [await run(shape, failures), await run(shape, failures, 'leaping')];
				expect(JSON.stringify(leaping.slice(1))).toBe(JSON.stringify(stepwise.slice(1)));
			}),
			{ seed: 20258, numRuns: 400 },
		);
	});

	it('meet what can happen where GPUs are shared and engines die', async () => {
		const seen = new Set<string>();
		for (const shape of fc.sample(sharingShapes, { seed: 20262, numRuns: 600 }))
			for (const record of await run(shape, randomFailures(shape))) {
				if (record.type === 'start-refused' || record.type === 'sleep-refused')
					seen.add(record.reason.replaceAll(/[\d.]+/g, '#').replaceAll(/r#(, r#)+/g, 'r#, r#'));
				else if (record.type === 'replica-changed')
					seen.add(record.reason === undefined ? record.state : `${record.state} after a failure`);
				else seen.add(record.type);
			}
		expect([...seen]).toEqual(
			expect.arrayContaining([
				'asleep-1',
				'asleep-2',
				'failed after a failure',
				'loading after a failure',
				'call-returned',
				'call-migrated',
				'its engine cannot sleep at level #',
				'its weights take # GiB of RAM on host#, # GiB of # GiB are free',
				'free memory on gpu# (# GiB of # GiB) is less than the share that the engine asks for (#, # GiB)',
				'waking takes # GiB more on gpu#, # GiB of # GiB are free',
				'r# runs on gpu#: one engine at a time per GPU',
				'r#, r# run on gpu#: # engines at a time per GPU',
			]),
		);
	});
});
