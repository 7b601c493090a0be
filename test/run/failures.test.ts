import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { randomStream } from '../../sim/core/random.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { gpuId, modelId, replicaId } from '../../sim/domain/ids.ts';
import type { CallReturned, RunRecord } from '../../sim/domain/run-log.ts';
import type { Action, Scheduler, View } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { EngineFailure } from '../../sim/run/pending.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler, schedulerNames } from '../../solver/index.ts';
import { policyFor, SLOW_POLICIES } from '../support/policies.ts';
import { randomSetup, setupShapes, whole } from '../support/random-setup.ts';
import { lawBreaches } from '../support/run-laws.ts';
import { type SmallSetup, smallSetup } from '../support/setup-builder.ts';

const deps = { clockSeconds: () => 0 };

async function run(
	setup: Setup,
	failures: readonly EngineFailure[],
	scheduler: Scheduler = createScheduler('round-robin', deps),
): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createGate(setup.gate), {
		version: 'test',
		onRecord: (record) => records.push(record),
		failures,
	});
	return records;
}

const failure = (timeUs: number, restart: boolean, gpu = 0): EngineFailure => ({
	timeUs,
	gpu: gpuId(`gpu${gpu}`),
	reason: 'the engine died',
	restart,
});

/** What happened, in short: `2000000 s0-a awake`, `2300000 q0/0 finished`. */
const story = (records: readonly RunRecord[]): string[] =>
	records.flatMap((record) => {
		switch (record.type) {
			case 'replica-changed':
				return [`${record.timeUs} ${record.replica} ${record.state}`];
			case 'engine-active':
				return [`${record.timeUs} ${record.replica} ${record.active ? 'computes' : 'rests'}`];
			case 'call-dispatched':
			case 'call-finished':
			case 'call-cancelled':
			case 'call-failed':
			case 'call-returned':
				return [`${record.timeUs} ${record.call} ${record.type.slice('call-'.length)}`];
			default:
				return [];
		}
	});

/** Loads of 2 s, steps of 10 ms: two calls of 0.3 s and 0.5 s on one GPU. */
const twoCalls: SmallSetup = {
	gpus: 1,
	aggregator: null,
	queries: [30, 50].map((outputTokens) => ({ calls: [{ model: 'a', outputTokens }] })),
};

describe('an engine that dies', () => {
	it('and is brought up again loads once more and runs its calls anew', async () => {
		const records = await run(smallSetup(twoCalls), [failure(2_400_000, true)]);
		expect(story(records)).toEqual([
			'0 s0-a loading',
			'2000000 s0-a awake',
			'2000000 q0/0 dispatched',
			'2000000 q1/0 dispatched',
			'2000000 s0-a computes',
			'2300000 q0/0 finished',
			'2400000 s0-a rests',
			'2400000 s0-a loading',
			'4400000 s0-a awake',
			'4400000 s0-a computes',
			'4900000 q1/0 finished',
			'4900000 s0-a stopping',
			'4900000 s0-a rests',
			'4900000 s0-a stopped',
		]);
		expect(
			records.find((record) => record.type === 'replica-changed' && record.timeUs === 2_400_000),
		).toMatchObject({ reason: 'the engine died' });
		expect(records.find((record) => record.type === 'call-finished' && record.call === 'q1/0')).toMatchObject(
			{
				startedUs: 4_400_000,
			},
		);
	});

	it('for good gives its calls back with the tokens they had, and a second replica serves them', async () => {
		const records = await run(smallSetup(twoCalls), [failure(2_400_000, false)]);
		expect(story(records).slice(6)).toEqual([
			'2400000 s0-a rests',
			'2400000 q1/0 returned',
			'2400000 s0-a failed',
			'2400000 s0r1-a loading',
			'4400000 s0r1-a awake',
			'4400000 q1/0 dispatched',
			'4400000 s0r1-a computes',
			'4900000 q1/0 finished',
			'4900000 s0r1-a stopping',
			'4900000 s0r1-a rests',
			'4900000 s0r1-a stopped',
		]);
		const returned = records.find((record): record is CallReturned => record.type === 'call-returned');
		// The step that would have ended now is lost.
		expect(returned).toMatchObject({ outputTokens: 39, replica: 's0-a', reason: 'the engine died' });
	});

	it('while it loads starts over, or has failed', async () => {
		const again = story(await run(smallSetup(twoCalls), [failure(1_500_000, true)]));
		expect(again.slice(0, 3)).toEqual(['0 s0-a loading', '1500000 s0-a loading', '3500000 s0-a awake']);
		const gone = story(await run(smallSetup(twoCalls), [failure(1_500_000, false)]));
		expect(gone.slice(0, 3)).toEqual(['0 s0-a loading', '1500000 s0-a failed', '1500000 s0r1-a loading']);
	});

	it('at the moment a call would have ended takes it along: nothing comes from the dead', async () => {
		const records = story(await run(smallSetup(twoCalls), [failure(2_300_000, false)]));
		expect(records).toContain('2300000 q0/0 returned');
		expect(records).toContain('2300000 q1/0 returned');
	});

	it('with its neighbour is not taken for alive while the neighbour is mourned', async () => {
		// Whoever decides between the two deaths would send the calls of the one to the other.
		const small = { ...twoCalls, enginesPerGpu: 2, gpuBytesPerGpu: 30e9 };
		const records = story(await run(smallSetup(small), [failure(2_100_000, false)], pair()));
		const deaths = records.filter((line) => line.startsWith('2100000 ') && !line.endsWith('rests'));
		expect(deaths).toEqual([
			'2100000 q0/0 returned',
			'2100000 r0 failed',
			'2100000 q1/0 returned',
			'2100000 r1 failed',
			'2100000 r2 loading',
		]);
		expect(records.filter((line) => line.endsWith('finished'))).toHaveLength(2);
	});

	it('takes no one along on other GPUs', async () => {
		const small = {
			...twoCalls,
			gpus: 2,
			queries: ['a', 'b'].map((model) => ({ calls: [{ model, outputTokens: 50 }] })),
		};
		const records = story(await run(smallSetup(small), [failure(2_100_000, true, 1)]));
		expect(records).toContain('2500000 q0/0 finished');
		expect(records).toContain('4600000 q1/0 finished');
	});

	it('asleep has failed, brought up again or not, since its memory may be taken', async () => {
		const records = story(await run(smallSetup(twoCalls), [failure(4_000_000, true)], sleeper()));
		expect(records.slice(-4)).toEqual([
			'2500000 r0 falling-asleep',
			'2500000 r0 rests',
			'3000000 r0 asleep-1',
			'4000000 r0 failed',
		]);
	});

	it('falling asleep comes back awake', async () => {
		const records = story(await run(smallSetup(twoCalls), [failure(2_700_000, true)], sleeper()));
		expect(records).toContain('2700000 r0 loading');
		expect(records).toContain('4700000 r0 awake');
		expect(records.join()).not.toContain('asleep-1');
	});

	it('loses no call that is being cancelled', async () => {
		const canceller: Scheduler = {
			...sleeper(),
			decide: (view) => {
				const [slot] = view.query('q1' as never).slots;
				if (view.nowUs === 2_300_000 && slot?.state === 'dispatched')
					return [{ type: 'cancel', call: slot.call }];
				return sleeper().decide(view);
			},
		};
		const records = story(await run(smallSetup(twoCalls), [failure(2_300_001, false)], canceller));
		expect(records.filter((line) => line.includes('q1/0'))).toEqual([
			'2000000 q1/0 dispatched',
			'2300000 q1/0 cancelled',
		]);
	});
});

/** One replica that serves everything and then falls asleep for good. */
function sleeper(): Scheduler {
	const replica = replicaId('r0');
	return {
		...createScheduler('round-robin', deps),
		name: 'sleeper',
		decide: (view: View): Action[] => {
			const [only] = view.replicas;
			if (only === undefined) return [{ type: 'start', replica, model: modelId('a'), gpus: [gpuId('gpu0')] }];
			const settle = view.acceptable.map((query): Action => ({ type: 'settle', query }));
			if (only.state !== 'awake') return settle;
			const pending = view.pending(modelId('a'), 'expert');
			if (pending.length === 0 && only.openCalls === 0 && view.nowUs < 4_000_000)
				return [...settle, { type: 'sleep', replica, level: 1 }];
			return [...settle, ...pending.map((call): Action => ({ type: 'dispatch', call: call.id, replica }))];
		},
	};
}

/** Two replicas that share the work, and a third one when both have failed. */
const pair = (): Scheduler => ({
	...createScheduler('round-robin', deps),
	name: 'pair',
	decide: (view: View): Action[] => {
		const start = (id: string): Action => ({
			type: 'start',
			replica: replicaId(id),
			model: modelId('a'),
			gpus: [gpuId('gpu0')],
		});
		if (view.replicas.length === 0) return [start('r0'), start('r1')];
		const awake = view.replicas.filter(({ state }) => state === 'awake');
		if (awake.length < 2 && view.replicas.some(({ state }) => state === 'loading')) return [];
		const settle = view.acceptable.map((query): Action => ({ type: 'settle', query }));
		const pending = view.pending(modelId('a'), 'expert');
		if (awake.length === 0 && pending.length > 0) return [start('r2')];
		return [
			...settle,
			...pending.map((call, i): Action => {
				const { id } = awake[i % awake.length] as View['replicas'][number];
				return { type: 'dispatch', call: call.id, replica: id };
			}),
		];
	},
});

describe.each(schedulerNames.filter((name) => name !== 'ilp'))('%s', (name) => {
	const numRuns = SLOW_POLICIES.has(name) ? 40 : 100;

	it('gets every call done although engines die', async () => {
		let returned = 0;
		let restarted = 0;
		await fc.assert(
			fc.asyncProperty(setupShapes, async (shape) => {
				const random = randomStream(shape.seed, 'failures');
				const setup = randomSetup(shape);
				const failures = [0, 1, 2].map((count) =>
					// One for good; a plan's session gets a second chance, not a third.
					failure(whole(random, 0, 8_000_000), count > 0, whole(random, 0, shape.gpus - 1)),
				);
				try {
					const records = await run(setup, failures, policyFor(name, setup));
					expect(lawBreaches(records, setup)).toEqual([]);
					expect(cancelledTooEarly(records)).toEqual([]);
					if (records.some(({ type }) => type === 'call-returned')) returned++;
					if (
						records.some(
							(record) =>
								record.type === 'replica-changed' &&
								record.reason !== undefined &&
								record.state === 'loading',
						)
					)
						restarted++;
				} catch (error) {
					if (!(error instanceof UsageError)) throw error;
				}
			}),
			{ seed: 20255, numRuns },
		);
		expect(returned).toBeGreaterThan(numRuns / 20);
		expect(restarted).toBeGreaterThan(numRuns / 5);
	});
});

/** Calls that were given up while their query still needed an answer. */
function cancelledTooEarly(records: readonly RunRecord[]): readonly RunRecord[] {
	const settled = new Set<string>();
	return records.filter((record) => {
		if (record.type === 'query-settled') settled.add(record.query);
		return record.type === 'call-cancelled' && !settled.has(record.query);
	});
}
