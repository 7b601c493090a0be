import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { EngineFailure } from '../../sim/run/pending.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler } from '../../solver/index.ts';
import { type SmallQuery, type SmallSetup, smallSetup } from '../support/setup-builder.ts';

const deps = { clockSeconds: () => 0 };

/** A query of one call that takes a second: 10 ms a step. */
const ask = (model: string, seconds: number, outputTokens = 100): SmallQuery => ({
	arrivalUs: seconds * 1_000_000,
	calls: [{ model, outputTokens }],
});

async function run(
	setup: Setup,
	scheduler: Scheduler = createScheduler('round-robin', deps),
	failures: readonly EngineFailure[] = [],
): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createGate('unanimous'), {
		version: 'test',
		onRecord: (record) => records.push(record),
		failures,
	});
	return records;
}

/** Seconds and what happened to replicas and queries. */
const story = (records: readonly RunRecord[]): readonly string[] =>
	records.flatMap((record) => {
		const seconds = record.timeUs / 1e6;
		if (record.type === 'replica-changed') return [`${seconds} ${record.replica} ${record.state}`];
		return record.type === 'query-settled' ? [`${seconds} ${record.query} settled`] : [];
	});

const oneGpu = (queries: readonly SmallQuery[], more: Partial<SmallSetup> = {}): Setup =>
	smallSetup({ gpus: 1, aggregator: null, queries, ...more });

const withoutSleep = (setup: Setup): Setup => ({
	...setup,
	profiles: setup.profiles.map((profile) => ({ ...profile, sleep: { 1: null, 2: null } })),
});

describe('models that take turns on a GPU', () => {
	it('load the first before any query comes, keep it while nobody else waits, and let it sleep when somebody does', async () => {
		const records = await run(oneGpu([ask('a', 5), ask('a', 9), ask('b', 20), ask('a', 30)]));
		expect(story(records)).toEqual([
			'0 s0-a loading',
			'2 s0-a awake',
			'6 q0 settled',
			'10 q1 settled',
			'20 s0-a falling-asleep',
			'20.5 s0-a asleep-1',
			'20.5 s1-b loading',
			'22.5 s1-b awake',
			'23.5 q2 settled',
			// The last query is for a: nothing more can come for b, so it is stopped.
			'30 s1-b stopping',
			'30 s1-b stopped',
			'30 s0-a waking',
			'30.5 s0-a awake',
			'31.5 q3 settled',
			'31.5 s0-a stopping',
			'31.5 s0-a stopped',
		]);
	});

	it('stop and load again where the engine cannot sleep', async () => {
		const records = await run(withoutSleep(oneGpu([ask('a', 5), ask('b', 9), ask('a', 20)])));
		expect(story(records).filter((line) => line.includes('loading'))).toEqual([
			'0 s0-a loading',
			'9 s1-b loading',
			'20 s0.1-a loading',
		]);
	});

	it('sleep at level 2, which wakes slower, where host RAM has no room for the weights', async () => {
		const queries = [ask('a', 5), ask('b', 9), ask('a', 20), ask('b', 40)];
		const records = await run(oneGpu(queries, { hostRamBytes: 1e9 }));
		expect(records.filter(({ type }) => type === 'sleep-refused')).toEqual([]);
		expect(story(records)).toContain('9.2 s0-a asleep-2');
	});

	it('stop sleepers that take the room of the one to come', async () => {
		const models = ['a', 'b', 'c', 'd'];
		const queries = [0, 20, 40].flatMap((from) => models.map((model, i) => ask(model, 3 + from + 5 * i)));
		// 80 GB less 74 leave room for three sleepers of 1.6 GB.
		const records = await run(oneGpu(queries, { gpuBytesPerGpu: 74e9 }));
		expect(records.filter(({ type }) => type === 'start-refused')).toEqual([]);
		expect(records.filter(({ type }) => type === 'query-settled')).toHaveLength(12);
	});

	it('serve who has waited longest, and a steady stream to one does not starve the other', async () => {
		// A call of a comes every half second and takes a second, so a is never idle.
		const stream = Array.from({ length: 60 }, (_, i) => ask('a', 3 + i / 2));
		const queries = [...stream, ask('b', 10)].toSorted((x, y) => (x.arrivalUs ?? 0) - (y.arrivalUs ?? 0));
		const records = await run(oneGpu(queries));
		const b = records.find(
			(record) =>
				record.type === 'query-settled' &&
				record.query === `q${queries.findIndex(({ calls }) => calls[0]?.model === 'b')}`,
		);
		// a ends what it has (1 s), makes room (0.5 s), b loads (2 s) and answers (1 s).
		expect((b?.timeUs ?? 0) / 1e6).toBeLessThanOrEqual(14.5);
	});

	it('bring up another seat of a crowded model where nobody loses anything by it', async () => {
		const burst = Array.from({ length: 40 }, (_, i) => ask('a', 10 + i / 20, 400));
		const setup = smallSetup({
			gpus: 2,
			aggregator: null,
			queries: [ask('a', 3), ask('b', 4), ask('b', 5), ...burst],
		});
		const records = await run(setup, createScheduler('data-parallel', deps));
		const servedBy = new Set(
			records.flatMap((record) =>
				record.type === 'call-dispatched' && record.model === 'a' ? [record.replica] : [],
			),
		);
		expect(servedBy.size).toBe(2);
	});

	it('start a seat again after a failure, and give up a model whose every start fails', async () => {
		const dies = (seconds: number): EngineFailure => ({
			timeUs: seconds * 1e6,
			gpu: 'gpu0' as EngineFailure['gpu'],
			reason: 'died',
			restart: false,
		});
		const once = await run(oneGpu([ask('a', 5), ask('a', 9)]), undefined, [dies(5.5)]);
		expect(story(once).filter((line) => line.includes('settled'))).toEqual([
			'8.5 q0 settled',
			'10 q1 settled',
		]);
		const always = await run(oneGpu([ask('a', 5), ask('a', 9)]), undefined, [dies(1), dies(6)]);
		expect(always.filter(({ type }) => type === 'call-cancelled')).toHaveLength(2);
	});
});

describe('a static policy that is asked to plan again', () => {
	const replanning = (name: string, atUs: readonly number[]): Scheduler => {
		const inner = createScheduler(name, deps);
		const asked = new Set<number>();
		return {
			...inner,
			decide: (view) => {
				const due = atUs.find((timeUs) => timeUs <= view.nowUs && !asked.has(timeUs));
				if (due === undefined) return inner.decide(view);
				asked.add(due);
				return [...inner.decide(view), { type: 'replan' }];
			},
		};
	};
	const models = ['a', 'b', 'c'];
	const queries = (gapSeconds: number): readonly SmallQuery[] =>
		Array.from({ length: 12 }, (_, i) => ({
			arrivalUs: Math.round(i * gapSeconds * 1e6),
			calls: [0, 1, 2].map((slot) => ({
				model: models[(i + slot * (i % 2)) % 3] ?? 'a',
				outputTokens: 50 + 10 * i,
			})),
		}));

	it.each(
		['round-robin', 'data-parallel', 'sequential', 'greedy', 'ilp'].flatMap((name) => [
			[name, 'in a batch', 0] as const,
			[name, 'over time', 1.3] as const,
		]),
	)('%s, %s, gives every replica a name of its own and serves every query', async (name, _, gapSeconds) => {
		const setup = smallSetup({
			gpus: 2,
			aggregator: { model: 'a', tensorParallel: 2 },
			queries: queries(gapSeconds),
		});
		const records = await run(setup, replanning(name, [1e6, 4e6, 9e6]));
		expect(records.filter(({ type }) => type === 'plan-made').length).toBeGreaterThan(2);
		expect(records.filter(({ type }) => type === 'query-settled')).toHaveLength(12);
		expect(records.filter(({ type }) => type === 'start-refused')).toEqual([]);
		const starts = records.flatMap((record) =>
			record.type === 'replica-changed' && record.state === 'loading' ? [record.replica] : [],
		);
		expect(new Set(starts).size).toBe(starts.length);
	});
});
