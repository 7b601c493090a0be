import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { randomStream } from '../../sim/core/random.ts';
import { gpuId, hostId } from '../../sim/domain/ids.ts';
import type { Gpu } from '../../sim/domain/model.ts';
import type { CallFinished, RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { type GpuUser, SharedGpus } from '../../sim/run/shared-gpus.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { whole } from '../support/random-setup.ts';
import { type SmallSetup, smallSetup } from '../support/setup-builder.ts';
import { sharingPolicy } from '../support/sharing-policy.ts';
import { fluid, fluidCases, fluidSetup } from './fluid-gpus.ts';

async function run(setup: Setup, gpusByModel: Readonly<Record<string, readonly number[]>>) {
	const records: RunRecord[] = [];
	await simulate(setup, sharingPolicy(gpusByModel), createGate('never'), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	const finished = records.filter((record): record is CallFinished => record.type === 'call-finished');
	return { records, finished, call: (id: string) => finished.find(({ call }) => call === id) };
}

/** Loads of 2 s and steps of 10 ms; engines of an eighth of a GPU. */
const roomy = (small: SmallSetup): SmallSetup => ({
	gpus: 1,
	aggregator: null,
	gpuBytesPerGpu: 10e9,
	enginesPerGpu: 4,
	...small,
});
const one = (model: string, outputTokens: number, arrivalUs = 0): SmallSetup['queries'][number] => ({
	calls: [{ model, outputTokens }],
	arrivalUs,
});
const endsUs = async (small: SmallSetup, placement: Readonly<Record<string, readonly number[]>>) => {
	const { finished } = await run(smallSetup(roomy(small)), placement);
	return Object.fromEntries(finished.map(({ call, timeUs }) => [call, timeUs]));
};

describe('engines on one GPU', () => {
	const onOne = { a: [0], b: [0] };

	it('take twice as long while both compute', async () => {
		const queries = [one('a', 100), one('b', 100)];
		expect(await endsUs({ queries }, onOne)).toEqual({ 'q0/0': 4_000_000, 'q1/0': 4_000_000 });
	});

	it('go on at full speed when the other is done', async () => {
		const queries = [one('a', 100), one('b', 50)];
		expect(await endsUs({ queries }, onOne)).toEqual({ 'q0/0': 3_500_000, 'q1/0': 3_000_000 });
	});

	it('slow down when the other begins, in the middle of a step', async () => {
		// Alone for 305 ms; then 195 ms of work left at half speed while b needs 200 ms of work.
		const { finished, call } = await run(
			smallSetup(roomy({ queries: [one('a', 50), one('b', 20, 2_305_000)] })),
			onOne,
		);
		expect(finished.map(({ call: id, timeUs }) => `${id} ${timeUs}`)).toEqual([
			'q0/0 2695000',
			'q1/0 2700000',
		]);
		expect(call('q0/0')).toMatchObject({ startedUs: 2_000_000, firstTokenUs: 2_010_000 });
		expect(call('q1/0')).toMatchObject({ startedUs: 2_305_000, firstTokenUs: 2_325_000 });
	});

	it('are not slowed by one that is awake and idle, or loading', async () => {
		const alone = await endsUs({ queries: [one('a', 100)] }, { a: [0] });
		const idle = await endsUs({ queries: [one('a', 100), one('b', 1, 9_000_000)] }, onOne);
		expect(idle['q0/0']).toBe(alone['q0/0']);
	});

	it('share in three while three compute', async () => {
		const queries = [one('a', 30), one('b', 30), one('c', 30)];
		const ends = await endsUs({ queries }, { a: [0], b: [0], c: [0] });
		expect(Object.values(ends)).toEqual([2_900_000, 2_900_000, 2_900_000]);
	});

	it('follow the speeds that were measured, as far as these go', async () => {
		const sharedSpeeds = [1, 0.8];
		const two = { queries: [one('a', 100), one('b', 100)], sharedSpeeds };
		expect(Object.values(await endsUs(two, onOne))).toEqual([3_250_000, 3_250_000]);
		const three = { queries: [one('a', 100), one('b', 100), one('c', 100)], sharedSpeeds };
		expect(Object.values(await endsUs(three, { a: [0], b: [0], c: [0] }))).toEqual(
			[1, 1, 1].map(() => 5_000_000),
		);
	});

	it('wait for their slowest GPU when they have several', async () => {
		// a computes on both GPUs; gpu1 is shared by three. b has gpu0 with a alone.
		const small = roomy({ gpus: 2, queries: ['a', 'b', 'c', 'd'].map((model) => one(model, 60)) });
		const { call } = await run(smallSetup(small), { a: [0, 1], b: [0], c: [1], d: [1] });
		// b ends first, after 1.2 s at a half; then a, c and d, all at a third, after 1.8 s.
		expect(call('q1/0')?.timeUs).toBe(3_200_000);
		for (const id of ['q0/0', 'q2/0', 'q3/0']) expect(call(id)?.timeUs).toBe(3_800_000);
	});

	it('keep each GPU to itself', async () => {
		const small = { gpus: 2, queries: [one('a', 100), one('b', 100)] };
		expect(await endsUs(small, { a: [0], b: [1] })).toEqual({ 'q0/0': 3_000_000, 'q1/0': 3_000_000 });
	});
});

describe('rates', () => {
	interface User extends GpuUser {
		readonly id: number;
	}
	const gpus = [0, 1, 2].map(
		(i): Gpu => ({ id: gpuId(`gpu${i}`), type: 't', memoryBytes: 1, host: hostId('h') }),
	);

	it('add up to at most 1 on every GPU where nothing was measured, and to 1 where all users have it alone', () => {
		const wrong: unknown[] = [];
		for (let seed = 0; seed < 200; seed++) {
			const random = randomStream(seed, 'users');
			const shared = new SharedGpus<User>(gpus);
			const running = new Set<User>();
			for (let id = 0; id < 40; id++) {
				const users = [...running];
				if (users.length > 0 && random() < 0.4) {
					const leaving = users[whole(random, 0, users.length - 1)] as User;
					shared.cease(leaving);
					running.delete(leaving);
				} else {
					const count = whole(random, 1, 3);
					const user = { id, gpus: gpus.slice(0, count).map((_, i) => gpus[(i + id) % 3]?.id ?? gpuId('')) };
					shared.begin(user);
					running.add(user);
				}
				for (const gpu of gpus) {
					const here = [...running].filter((user) => user.gpus.includes(gpu.id));
					const rates = here
						.map((user) => shared.rate(user))
						.map((r) => Number(r.numerator) / Number(r.denominator));
					const sum = rates.reduce((total, rate) => total + rate, 0);
					const isFull = here.length > 0 && here.every((user) => user.gpus.length === 1);
					if (sum > 1 + 1e-12 || (isFull && sum < 1 - 1e-12)) wrong.push({ seed, gpu: gpu.id, sum });
				}
			}
		}
		expect(wrong).toEqual([]);
	});
});

describe('a run with shared GPUs', () => {
	it('is what a slow simulation counts out, whichever way its engines are carried out', async () => {
		let overlapping = 0;
		await fc.assert(
			fc.asyncProperty(fluidCases, async (fluidCase) => {
				const placement = Object.fromEntries(fluidCase.engines.map(({ gpus }, i) => [`e${i}`, gpus]));
				const logs: string[] = [];
				for (const mode of ['stepwise', 'leaping'] as const) {
					const { records, finished } = await run(fluidSetup(fluidCase, mode), placement);
					logs.push(JSON.stringify(records.slice(1)));
					const got = fluidCase.engines.map((_, i) =>
						finished
							.filter(({ model }) => model === `e${i}`)
							.map(({ startedUs, firstTokenUs, timeUs }) => [startedUs, firstTokenUs, timeUs]),
					);
					const expected = fluid(fluidCase).map((calls) =>
						calls.toSorted((a, b) => (a[2] ?? 0) - (b[2] ?? 0)),
					);
					expect(got).toEqual(expected);
					if (finished.some(({ timeUs, startedUs }) => timeUs - startedUs > 120)) overlapping++;
				}
				expect(logs[0]).toBe(logs[1]);
			}),
			{ seed: 62, numRuns: 400 },
		);
		expect(overlapping).toBeGreaterThan(40);
	});
});
