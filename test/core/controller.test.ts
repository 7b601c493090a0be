import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/gates.ts';
import { Controller } from '../../sim/core/controller.ts';
import type { Executor, ExecutorEvent } from '../../sim/core/executor.ts';
import type { GateEvidence } from '../../sim/domain/calibration.ts';
import { PolicyError } from '../../sim/domain/errors.ts';
import { callId, gpuId, hostId, modelId, queryId, replicaId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Action, View } from '../../sim/domain/scheduler.ts';
import type { Gate } from '../../sim/domain/work.ts';
import { emptyPlan } from '../support/empty-plan.ts';
import { type SmallSetup, smallSetup } from '../support/setup-builder.ts';

const PLAN = emptyPlan('scripted');

/** A controller whose scheduler does what the test says and whose executor only takes notes. */
function scripted(small: SmallSetup, gate: string | Gate = 'majority') {
	const setup = smallSetup(small);
	const records: RunRecord[] = [];
	const orders: string[] = [];
	let actions: readonly Action[] = [];
	let seen: View | null = null;
	const executor: Executor = {
		start: ({ replica }) => orders.push(`start ${replica}`),
		stop: (replica) => orders.push(`stop ${replica}`),
		sleep: (replica, level) => orders.push(`sleep ${replica} ${level}`),
		wake: (replica) => orders.push(`wake ${replica}`),
		dispatch: (call, replica) => orders.push(`dispatch ${call.id} ${replica}`),
		cancel: (call) => orders.push(`cancel ${call}`),
		park: (call) => orders.push(`park ${call}`),
		migrate: (call, to) => orders.push(`migrate ${call} ${to}`),
	};
	const controller = new Controller({
		setup,
		gate: typeof gate === 'string' ? createGate(gate) : gate,
		executor,
		scheduler: {
			name: 'scripted',
			plan: async () => PLAN,
			decide: (view) => {
				seen = view;
				const once = actions;
				actions = [];
				return once;
			},
		},
		judge: { isCorrect: (_, answer) => answer === 'A', aggregateAllCorrect: () => null },
		write: (record) => records.push(record),
		onReplan: () => orders.push('replan'),
	});
	controller.setPlan(PLAN, 0);
	setup.queries.forEach((query, i) => {
		controller.arrive(query, 0, i === setup.queries.length - 1);
	});
	let nowUs = 0;
	return {
		records,
		orders,
		controller,
		act: (...next: Action[]): void => {
			actions = next;
			controller.decide(nowUs);
		},
		view: (): View => {
			actions = [];
			controller.decide(nowUs);
			if (seen === null) throw new Error('decide was not called');
			return seen;
		},
		happen: (event: WithoutTime<ExecutorEvent>): boolean => {
			nowUs++;
			return controller.apply({ ...event, timeUs: nowUs } as ExecutorEvent);
		},
		finish: (call: string, answer: string | null, replica = 'r'): void => {
			nowUs++;
			controller.apply({
				kind: 'call-ended',
				timeUs: nowUs,
				call: callId(call),
				replica: replicaId(replica),
				outcome: { kind: 'finished', outputTokens: 30, answerTokens: 7, finishReason: 'stop', answer },
				work: {
					startedUs: 0,
					firstTokenUs: 0,
					cachedPromptTokens: 0,
					recomputedTokens: 0,
					preemptions: 0,
					outputTokens: 30,
				},
			});
		},
	};
}

type WithoutTime<T> = T extends unknown ? Omit<T, 'timeUs'> : never;

const oneQuery: SmallSetup = {
	queries: [
		{
			calls: [
				{ model: 'm', outputTokens: 30 },
				{ model: 'm', outputTokens: 30 },
				{ model: 'm', outputTokens: 30 },
			],
		},
	],
};
const start = (id: string, model: string, ...gpus: string[]): Action => ({
	type: 'start',
	replica: replicaId(id),
	model: modelId(model),
	gpus: gpus.map(gpuId),
});
const dispatch = (call: string, replica = 'r'): Action => ({
	type: 'dispatch',
	call: callId(call),
	replica: replicaId(replica),
});

/** The three calls of q0 on a replica that is awake. */
function running(gate?: string | Gate) {
	const run = scripted(oneQuery, gate);
	run.act(start('r', 'm', 'gpu0'));
	run.happen({ kind: 'replica-awake', replica: replicaId('r') });
	run.act(dispatch('q0/0'), dispatch('q0/1'), dispatch('q0/2'));
	return run;
}

describe('Controller', () => {
	it('settles by vote when the gate accepts, and only then', () => {
		const run = running('majority');
		run.finish('q0/0', 'A');
		expect(() => run.act({ type: 'settle', query: queryId('q0') })).toThrow(PolicyError);
		run.finish('q0/1', 'B');
		run.finish('q0/2', 'A');
		expect(run.view().acceptable).toEqual(['q0']);
		run.act({ type: 'settle', query: queryId('q0') });
		expect(run.records.at(-1)).toMatchObject({
			type: 'query-settled',
			by: 'vote',
			answer: 'A',
			correct: true,
		});
		expect(run.view()).toMatchObject({ openQueries: 0, openExpertCalls: 0, acceptable: [] });
	});

	it('takes no limit for a call that was put aside with as many tokens', () => {
		const run = running();
		run.act({ type: 'park', call: callId('q0/0') });
		run.happen({ kind: 'call-parked', call: callId('q0/0'), replica: replicaId('r'), outputTokens: 12 });
		const again = (maxOutputTokens: number): void => {
			run.act({ type: 'dispatch', call: callId('q0/0'), replica: replicaId('r'), maxOutputTokens });
		};
		expect(() => again(12)).toThrow(/q0\/0 has 12 tokens already and is to generate at most 12/);
		expect(() => again(Number.NaN)).toThrow(PolicyError);
		again(13);
		expect(run.orders.at(-1)).toBe('dispatch q0/0 r');
	});

	describe('a call that is to be parked', () => {
		const parked = {
			kind: 'call-parked',
			call: callId('q0/0'),
			replica: replicaId('r'),
			outputTokens: 12,
		} as const;
		const park: Action = { type: 'park', call: callId('q0/0') };

		it('is pending when its executor has said so, and not before', () => {
			const run = running();
			run.act(park);
			expect(run.view().replicas[0]).toMatchObject({ openCalls: 2, dispatched: { expert: 2 } });
			expect(run.view().pending(modelId('m'), 'expert')).toEqual([]);
			expect(run.view().query(queryId('q0')).slots[0]?.state).toBe('parking');
			expect(() => run.act(dispatch('q0/0'))).toThrow(/q0\/0 is parking, not pending/);
			expect(() => run.act(park)).toThrow(PolicyError);
			expect(run.happen(parked)).toBe(false);
			const view = run.view();
			expect(view.pending(modelId('m'), 'expert').map(({ id }) => id)).toEqual(['q0/0']);
			expect([view.carriedTokens(callId('q0/0')), view.carriedTokens(callId('q0/1'))]).toEqual([12, 0]);
			expect(run.records.at(-1)).toMatchObject({ type: 'call-parked', outputTokens: 12 });
		});

		it('and is cancelled at once ends where it was, with what it had, and the scheduler is asked', () => {
			const run = running();
			run.act(park, { type: 'cancel', call: callId('q0/0') });
			expect(run.orders.slice(-2)).toEqual(['park q0/0', 'cancel q0/0']);
			expect(run.happen(parked)).toBe(true);
			expect(run.records.at(-1)).toMatchObject({ type: 'call-cancelled', replica: 'r', outputTokens: 12 });
			expect(run.records.some(({ type }) => type === 'call-parked')).toBe(false);
			expect(run.view()).toMatchObject({ openExpertCalls: 2 });
		});

		it('and has ended meanwhile counts where it was', () => {
			const run = running();
			run.act(park);
			run.finish('q0/0', 'A');
			expect(run.view().replicas[0]).toMatchObject({ openCalls: 2, dispatched: { expert: 3 } });
			expect(run.view().replicas[0]?.tokenUs).not.toBeNull();
			expect(run.records.at(-1)).toMatchObject({ type: 'call-finished', replica: 'r' });
		});

		it('and comes back instead has lost what it had', () => {
			const run = running();
			run.act(park);
			const { kind: _, ...about } = parked;
			run.happen({ kind: 'call-returned', ...about, reason: 'died' });
			expect(run.records.at(-1)).toMatchObject({ type: 'call-returned', outputTokens: 12 });
			expect(run.view().carriedTokens(callId('q0/0'))).toBe(0);
			expect(run.view().pending(modelId('m'), 'expert')).toHaveLength(1);
		});

		it('and is cancelled later leaves nothing with the executor', () => {
			const run = running();
			run.act(park);
			run.happen(parked);
			run.act({ type: 'cancel', call: callId('q0/0') });
			expect(run.orders.at(-1)).toBe('cancel q0/0');
			expect(run.records.at(-1)).toMatchObject({ type: 'call-cancelled', replica: null, outputTokens: 12 });
		});
	});

	it('learns the pace of the replica on which a call ended, wherever it was to go', () => {
		const run = running();
		run.act(start('r2', 'm', 'gpu1'));
		run.happen({ kind: 'replica-awake', replica: replicaId('r2') });
		run.act({ type: 'migrate', call: callId('q0/0'), replica: replicaId('r2') });
		expect(run.view().replicas.map(({ dispatched }) => dispatched.expert)).toEqual([2, 1]);
		run.finish('q0/0', 'A', 'r');
		const [r, r2] = run.view().replicas;
		expect(r?.tokenUs).not.toBeNull();
		expect(r2?.tokenUs).toBeNull();
		expect([r?.dispatched.expert, r2?.dispatched.expert]).toEqual([3, 0]);
		expect([r?.openCalls, r2?.openCalls]).toEqual([2, 0]);
	});

	it('lists an aggregator call by the answers of its query', () => {
		const run = running('unanimous');
		for (const [slot, answer] of [...'AAB'].entries()) run.finish(`q0/${slot}`, answer);
		const byAnswers = run.view().pendingByAnswers(modelId('agg'), 'aggregator');
		expect(byAnswers.findIndex((calls) => (calls?.length ?? 0) > 0)).toBe(3);
	});

	it('takes an aggregator for cut by the gate only at the limit that the gate set', () => {
		const settledBy = (outputTokens: number) => {
			const run = running('unanimous');
			for (const [slot, answer] of [...'AAB'].entries()) run.finish(`q0/${slot}`, answer);
			run.act(start('g', 'agg', 'gpu1'));
			run.happen({ kind: 'replica-awake', replica: replicaId('g') });
			run.act({ ...dispatch('q0/agg', 'g'), maxOutputTokens: 25 } as Action);
			run.happen({
				kind: 'call-ended',
				call: callId('q0/agg'),
				replica: replicaId('g'),
				outcome: { kind: 'finished', outputTokens, answerTokens: 0, finishReason: 'length', answer: null },
				work: {
					...{ startedUs: 0, firstTokenUs: 0, cachedPromptTokens: 0, recomputedTokens: 0 },
					...{ preemptions: 0, outputTokens },
				},
			});
			const end = run.records.at(-1);
			return end?.type === 'query-settled' ? end.by : null;
		};
		// Its context may have stopped it before.
		expect([settledBy(25), settledBy(24)]).toEqual(['vote', 'aggregator']);
	});

	it('asks a gate anew what it foresees when an audit has told it something', () => {
		let sure = true;
		const gate: Gate = {
			...createGate('never'),
			decide: (answers) =>
				answers.includes(undefined)
					? { verdict: 'open', answer: null }
					: { verdict: 'aggregate', answer: 'A', audit: true },
			foresee: (answers) => (sure && answers.some((answer) => answer === 'A') ? 'A' : undefined),
			observe: () => {
				sure = false;
			},
		};
		const [query] = oneQuery.queries;
		const run = scripted({ ...oneQuery, queries: query === undefined ? [] : [query, query] }, gate);
		run.act(start('r', 'm', 'gpu0'), start('g', 'agg', 'gpu1'));
		for (const id of ['r', 'g']) run.happen({ kind: 'replica-awake', replica: replicaId(id) });
		run.act(dispatch('q0/0'), dispatch('q0/1'), dispatch('q0/2'), dispatch('q1/0'));
		run.finish('q1/0', 'A');
		expect(run.view().foreseen).toEqual(['q1']);
		for (const slot of [0, 1, 2]) run.finish(`q0/${slot}`, 'A');
		run.act(dispatch('q0/agg', 'g'));
		run.finish('q0/agg', 'B', 'g');
		expect(run.view().foreseen).toEqual([]);
	});

	it('makes the aggregator call when the gate does not accept, with the prompt that the answers imply', () => {
		const run = running('unanimous');
		for (const [slot, answer] of [...'AAB'].entries()) run.finish(`q0/${slot}`, answer);
		const [call] = run.view().pending(modelId('agg'), 'aggregator');
		// 10 + 2 an answer + 7 tokens read of each of three answers + a question of 20.
		expect(call).toMatchObject({ id: 'q0/agg', promptTokens: 10 + 6 + 21 + 20, role: 'aggregator' });
		expect(run.records.at(-1)).toMatchObject({ type: 'aggregation-needed', query: 'q0' });
	});

	it('logs once that audits find things changed, and asks for their evidence only then', () => {
		let disagreed = 0;
		let asked = 0;
		const audited: Gate = {
			...createGate('never'),
			name: 'audited',
			decide: (answers) =>
				answers.includes(undefined)
					? { verdict: 'open', answer: null }
					: { verdict: 'aggregate', answer: 'A', audit: true },
			observe: (_answers, _query, reply) => {
				if (reply !== 'A') disagreed++;
			},
			get hasDrifted() {
				return disagreed > 0;
			},
			evidence: () => {
				asked++;
				return { audit: { audited: 1, disagreed, expectedShare: 0.5, drifted: true } } as GateEvidence;
			},
		};
		const queries = [...oneQuery.queries, ...oneQuery.queries, ...oneQuery.queries];
		const run = scripted({ ...oneQuery, queries }, audited);
		run.act(start('r', 'm', 'gpu0'), start('g', 'agg', 'gpu1'));
		for (const id of ['r', 'g']) run.happen({ kind: 'replica-awake', replica: replicaId(id) });
		const drifts = [...'ABB'].map((reply, query) => {
			for (const slot of [0, 1, 2]) run.act(dispatch(`q${query}/${slot}`));
			for (const slot of [0, 1, 2]) run.finish(`q${query}/${slot}`, 'A');
			run.act(dispatch(`q${query}/agg`, 'g'));
			run.finish(`q${query}/agg`, reply, 'g');
			return { asked, logged: run.records.filter(({ type }) => type === 'gate-drifted').length };
		});
		expect(drifts).toEqual([
			{ asked: 0, logged: 0 },
			{ asked: 1, logged: 1 },
			{ asked: 1, logged: 1 },
		]);
		expect(run.records).toContainEqual({
			type: 'gate-drifted',
			timeUs: expect.any(Number),
			audit: { audited: 1, disagreed: 1, expectedShare: 0.5, drifted: true },
		});
	});

	it('lets the vote stand where there is no aggregator', () => {
		const run = scripted({ ...oneQuery, aggregator: null }, 'never');
		run.act(start('r', 'm', 'gpu0'));
		run.happen({ kind: 'replica-awake', replica: replicaId('r') });
		run.act(dispatch('q0/0'), dispatch('q0/1'), dispatch('q0/2'));
		for (const [slot, answer] of [...'BAB'].entries()) run.finish(`q0/${slot}`, answer);
		run.act({ type: 'settle', query: queryId('q0') });
		expect(run.records.at(-1)).toMatchObject({
			type: 'query-settled',
			by: 'vote',
			answer: 'B',
			correct: false,
		});
	});

	it('counts a cancelled call as an answer that failed, whether it was started or not', () => {
		const run = scripted(oneQuery, 'majority');
		run.act(start('r', 'm', 'gpu0'));
		run.happen({ kind: 'replica-awake', replica: replicaId('r') });
		run.act(dispatch('q0/0'), dispatch('q0/1'));
		run.finish('q0/0', 'A');
		run.act({ type: 'cancel', call: callId('q0/2') }, { type: 'cancel', call: callId('q0/1') });
		expect(run.records.at(-1)).toMatchObject({ type: 'call-cancelled', call: 'q0/2', replica: null });
		expect(run.orders.at(-1)).toBe('cancel q0/1');
		expect(() => run.act({ type: 'cancel', call: callId('q0/1') })).toThrow(/cancelling already/);
		run.happen({
			kind: 'call-ended',
			call: callId('q0/1'),
			replica: replicaId('r'),
			outcome: { kind: 'cancelled' },
			work: null,
		});
		expect(run.view().query(queryId('q0'))).toMatchObject({ verdict: 'aggregate' });
	});

	it('refuses a start that does not fit, as an event and not as a fault', () => {
		const run = running();
		run.act(start('r2', 'm', 'gpu0'));
		expect(run.records.at(-1)).toMatchObject({ type: 'start-refused', replica: 'r2' });
		expect(run.view().replicas.map((replica) => replica.id)).toEqual(['r']);
	});

	it('frees the memory of a replica only once it has stopped', () => {
		const run = scripted(oneQuery);
		run.act(start('r', 'm', 'gpu0'));
		run.act({ type: 'stop', replica: replicaId('r') });
		run.act(start('r2', 'm', 'gpu0'));
		expect(run.records.at(-1)?.type).toBe('start-refused');
		run.happen({ kind: 'replica-stopped', replica: replicaId('r') });
		run.act(start('r2', 'm', 'gpu0'));
		expect(run.records.at(-1)).toMatchObject({ type: 'replica-changed', replica: 'r2', state: 'loading' });
	});

	it('gives the memory of a sleeping replica to others, and refuses to wake it while they have it', () => {
		const run = scripted(oneQuery);
		run.act(start('r', 'm', 'gpu0'));
		run.happen({ kind: 'replica-awake', replica: replicaId('r') });
		run.act({ type: 'sleep', replica: replicaId('r'), level: 1 });
		run.happen({ kind: 'replica-asleep', replica: replicaId('r'), level: 1 });
		run.act(start('r2', 'm', 'gpu0'));
		expect(run.records.at(-1)).toMatchObject({ type: 'replica-changed', replica: 'r2', state: 'loading' });
		run.act({ type: 'wake', replica: replicaId('r') });
		expect(run.records.at(-1)).toMatchObject({ type: 'start-refused', replica: 'r' });
		// Stopping a sleeper never takes memory that it had given away.
		run.act({ type: 'stop', replica: replicaId('r') });
		expect(run.view().freeGpuBytes(gpuId('gpu0'))).toBe(80e9 - 72e9 - 1.5 * 1024 ** 3);
	});

	it('refuses a sleep for which host RAM is short, as an event: the replica stays awake', () => {
		const run = scripted({ ...oneQuery, hostRamBytes: 20e9 });
		run.act(start('r', 'm', 'gpu0'), start('r2', 'm', 'gpu1'));
		for (const id of ['r', 'r2']) run.happen({ kind: 'replica-awake', replica: replicaId(id) });
		run.act({ type: 'sleep', replica: replicaId('r'), level: 1 });
		expect(run.view().freeHostBytes(hostId('host0'))).toBe(4e9);
		const before = run.orders.length;
		run.act({ type: 'sleep', replica: replicaId('r2'), level: 1 });
		expect(run.records.at(-1)).toMatchObject({
			type: 'sleep-refused',
			replica: 'r2',
			gpus: ['gpu1'],
			reason: expect.stringContaining('14.90 GiB of RAM on host0'),
		});
		expect(run.orders).toHaveLength(before);
		expect(run.view().replicas[1]).toMatchObject({ id: 'r2', state: 'awake' });
		run.act({ type: 'sleep', replica: replicaId('r2'), level: 2 });
		expect(run.records.at(-1)).toMatchObject({ type: 'replica-changed', state: 'falling-asleep' });
	});

	it('takes back the calls of a replica that dies, to where they stood in the queue', () => {
		const run = running();
		const returned = { replica: replicaId('r'), reason: 'died', outputTokens: 7 } as const;
		run.act({ type: 'cancel', call: callId('q0/1') });
		for (const call of ['q0/2', 'q0/1', 'q0/0'])
			run.happen({ kind: 'call-returned', call: callId(call), ...returned });
		run.happen({ kind: 'replica-failed', replica: replicaId('r'), reason: 'died' });
		const pending = run.view().pending(modelId('m'), 'expert');
		expect(pending.map(({ id }) => id)).toEqual(['q0/0', 'q0/2']);
		expect(run.view().replicas[0]).toMatchObject({
			openCalls: 0,
			state: 'failed',
			dispatched: { expert: 1 },
		});
		expect(run.records.find((record) => record.type === 'call-cancelled')).toMatchObject({
			call: 'q0/1',
			outputTokens: 7,
		});
		run.act(start('r2', 'm', 'gpu0'));
		run.happen({ kind: 'replica-awake', replica: replicaId('r2') });
		run.act(dispatch('q0/0', 'r2'));
		run.finish('q0/0', 'A', 'r2');
		expect(run.view().openExpertCalls).toBe(1);
	});

	it('keeps the calls of a replica that is brought up again', () => {
		const run = running();
		run.happen({ kind: 'replica-restarting', replica: replicaId('r'), reason: 'died' });
		expect(run.view().replicas[0]).toMatchObject({ openCalls: 3, state: 'loading' });
		expect(run.view().pending(modelId('m'), 'expert')).toEqual([]);
		run.happen({ kind: 'replica-awake', replica: replicaId('r') });
		run.finish('q0/0', 'A');
		expect(run.view().replicas[0]).toMatchObject({ openCalls: 2, state: 'awake' });
	});

	it.each<[string, WithoutTime<ExecutorEvent>]>([
		['awake to asleep', { kind: 'replica-asleep', replica: replicaId('r'), level: 1 }],
		['awake to stopped', { kind: 'replica-stopped', replica: replicaId('r') }],
		['awake to awake', { kind: 'replica-awake', replica: replicaId('r') }],
	])('takes an executor for broken whose replica goes from %s', (_, event) => {
		const run = running();
		expect(() => run.happen(event)).toThrow(/internal error: replica r went from awake to/);
	});

	it.each<[string, Action, RegExp]>([
		['an unknown GPU', start('x', 'm', 'gpu9'), /GPU gpu9 is unknown/],
		['a GPU twice', start('x', 'm', 'gpu0', 'gpu0'), /twice/],
		['a model without a profile', start('x', 'other', 'gpu0'), /no profile/],
		['a replica name again', start('r', 'm', 'gpu1'), /exists already/],
		['an unknown replica', { type: 'wake', replica: replicaId('nobody') }, /nobody is unknown/],
		['a call twice', dispatch('q0/0'), /is dispatched, not pending/],
		['an unknown call', dispatch('q9/0'), /q9\/0 is unknown/],
		['stopping a replica at work', { type: 'stop', replica: replicaId('r') }, /3 calls have not ended/],
		['sleeping at work', { type: 'sleep', replica: replicaId('r'), level: 1 }, /3 calls have not ended/],
		['waking an awake one', { type: 'wake', replica: replicaId('r') }, /while it is awake/],
		['settling an open query', { type: 'settle', query: queryId('q0') }, /has not accepted/],
	])('finds fault with %s', (_, action, message) => {
		const run = running();
		expect(() => run.act(action)).toThrow(message);
		expect(() => run.act(action)).toThrow(PolicyError);
	});

	it('refuses work for a replica that loads or runs another model', () => {
		const run = scripted({
			queries: [
				{
					calls: [
						{ model: 'm', outputTokens: 1 },
						{ model: 'n', outputTokens: 1 },
					],
				},
			],
		});
		run.act(start('r', 'm', 'gpu0'));
		expect(() => run.act(dispatch('q0/0'))).toThrow(/is loading/);
		run.happen({ kind: 'replica-awake', replica: replicaId('r') });
		expect(() => run.act(dispatch('q0/1'))).toThrow(/needs model n/);
	});

	it('shows a view in which nothing can be changed from outside and no truth stands', () => {
		const run = running();
		const view = run.view();
		const text = JSON.stringify({
			...view,
			pending: view.pending(modelId('m'), 'expert'),
			query: view.query(queryId('q0')),
		});
		expect(text).not.toMatch(/outputTokens"|correct|truth/i);
		const before = run.view().replicas;
		(view.replicas as unknown[]).length = 0;
		expect(run.view().replicas).toEqual(before);
		expect(() => (view.pending(modelId('m'), 'expert') as unknown[]).push(1)).toThrow();
	});
});

describe('a stop that was ordered before the latest news was known', () => {
	it.each<WithoutTime<ExecutorEvent>>([
		{ kind: 'replica-awake', replica: replicaId('r') },
		{ kind: 'replica-restarting', replica: replicaId('r'), reason: 'died' },
	])('stays a stop: $kind', (late) => {
		const { act, happen, controller } = scripted(oneQuery);
		act({ type: 'start', replica: replicaId('r'), model: modelId('m'), gpus: [gpuId('gpu0')] });
		if (late.kind === 'replica-restarting') happen({ kind: 'replica-awake', replica: replicaId('r') });
		act({ type: 'stop', replica: replicaId('r') });
		happen(late);
		expect(controller.state.replica(replicaId('r')).state).toBe('stopping');
		happen({ kind: 'replica-stopped', replica: replicaId('r') });
		expect(controller.state.replica(replicaId('r')).state).toBe('stopped');
	});
});
