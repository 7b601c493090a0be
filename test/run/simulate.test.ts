import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/gates.ts';
import { PolicyError } from '../../sim/domain/errors.ts';
import { callId, gpuId, modelId, replicaId } from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { CallFinished, RunRecord } from '../../sim/domain/run-log.ts';
import type { Action, Scheduler, View } from '../../sim/domain/scheduler.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler } from '../../solver/index.ts';
import { type SmallSetup, smallSetup } from '../support/setup-builder.ts';

async function run(small: SmallSetup, scheduler?: Scheduler, gate = 'unanimous') {
	const records: RunRecord[] = [];
	const setup = smallSetup(small);
	const policy = scheduler ?? createScheduler('round-robin', { clockSeconds: () => 0 });
	const outcome = await simulate(setup, policy, createGate(gate), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	const finished = records.filter((record): record is CallFinished => record.type === 'call-finished');
	return { records, outcome, endUs: (id: string) => finished.find((record) => record.call === id)?.timeUs };
}

/** Loads of 2 s, steps of 10 ms: every time below is a sum done by hand. */
const twoQueries: SmallSetup = {
	queries: [
		{
			calls: [
				{ model: 'a', outputTokens: 10 },
				{ model: 'b', outputTokens: 20 },
				{ model: 'a', outputTokens: 30 },
			],
		},
		{
			calls: [
				{ model: 'a', outputTokens: 10 },
				{ model: 'b', outputTokens: 20 },
				{ model: 'b', outputTokens: 30, answer: 'B' },
			],
		},
	],
};

describe('simulate', () => {
	it('gives the times that loads and steps add up to', async () => {
		const { endUs, outcome, records } = await run(twoQueries);
		// One step of prefill gives the first token, each further token a step.
		expect(endUs('q0/0')).toBe(2_000_000 + 10 * 10_000);
		expect(endUs('q0/1')).toBe(2_000_000 + 20 * 10_000);
		expect(endUs('q1/2')).toBe(2_000_000 + 30 * 10_000);
		// Both workers end at 2.3 s; the aggregator loads for 2 s and writes 5 tokens.
		expect(endUs('q1/agg')).toBe(2_300_000 + 2_000_000 + 5 * 10_000);
		expect(outcome).toMatchObject({ status: 'complete', endUs: 4_350_000, failedCalls: 0 });
		expect(records.at(-1)).toMatchObject({ type: 'run-ended', timeUs: 4_350_000 });
		const settled = records.filter((record) => record.type === 'query-settled');
		expect(settled.map(({ query, by }) => `${query} ${by}`)).toEqual(['q0 vote', 'q1 aggregator']);
	});

	it('says when an engine computes: from its first step to its last', async () => {
		const { records } = await run(twoQueries);
		const active = records.filter((record) => record.type === 'engine-active');
		expect(active.map(({ timeUs, replica, active }) => `${replica} ${active} ${timeUs}`)).toEqual([
			's0-a true 2000000',
			's1-b true 2000000',
			's0-a false 2300000',
			's1-b false 2300000',
			's2-agg true 4300000',
			's2-agg false 4350000',
		]);
	});

	it('charges the time of planning before anything starts', async () => {
		const base = createScheduler('round-robin', { clockSeconds: () => 0 });
		const slow: Scheduler = {
			...base,
			decide: (view) => base.decide(view),
			plan: async (problem) => {
				const plan = await base.plan(problem);
				return { ...plan, evidence: { ...plan.evidence, solveSeconds: 1.5 } };
			},
		};
		const { endUs, records } = await run(twoQueries, slow);
		expect(records.find((record) => record.type === 'plan-made')?.timeUs).toBe(1_500_000);
		expect(endUs('q0/0')).toBe(1_500_000 + 2_000_000 + 10 * 10_000);
		// The queries were there all the time: their latency contains the planning.
		expect(
			records.filter((record) => record.type === 'query-arrived').map((record) => record.timeUs),
		).toEqual([0, 0]);
	});

	it('streams arrivals: no query is known before its time', async () => {
		const { records } = await run({
			queries: [
				{ calls: [{ model: 'a', outputTokens: 5 }] },
				{ calls: [{ model: 'a', outputTokens: 5 }], arrivalUs: 9_000_000 },
			],
		});
		const arrivals = records.filter((record) => record.type === 'query-arrived');
		expect(arrivals.map((record) => record.timeUs)).toEqual([0, 9_000_000]);
		expect(
			records.find((record) => record.type === 'call-dispatched' && record.call === 'q1/0')?.timeUs,
		).toBe(9_000_000);
	});

	it('ends a call that can never run as failed, and the run goes on', async () => {
		const { records, outcome } = await run({
			queries: [
				{
					calls: [
						{ model: 'a', outputTokens: 5, promptTokens: 5000 },
						{ model: 'a', outputTokens: 5 },
					],
				},
			],
		});
		// Its aggregator would have to read the same question, so that call fails as well and the query with it.
		expect(outcome.failedCalls).toBe(2);
		expect(records.find((record) => record.type === 'query-settled')).toMatchObject({ by: 'failure' });
		expect(records.find((record) => record.type === 'call-failed')).toMatchObject({ call: 'q0/0' });
	});

	it('says a cut answer was never extracted', async () => {
		const { records } = await run({
			queries: [{ calls: [{ model: 'a', outputTokens: 2048, answer: 'A' }] }],
		});
		const [finished] = records.filter((record) => record.type === 'call-finished');
		expect(finished).toMatchObject({ finishReason: 'length', answer: null });
	});

	it('gives the same records twice', async () => {
		const [first, second] = [await run(twoQueries), await run(twoQueries)];
		expect(JSON.stringify(first.records)).toBe(JSON.stringify(second.records));
	});

	it('reads gauges only while an engine computes, at the sampling interval', async () => {
		const { records } = await run({ queries: [{ calls: [{ model: 'a', outputTokens: 350 }] }] });
		const samples = records.filter(
			(record) => record.type === 'engine-sample' && record.replica.startsWith('s0'),
		);
		expect(samples.map((record) => record.timeUs)).toEqual([2_000_000, 3_000_000, 4_000_000, 5_000_000]);
	});

	it('stops a run that a scheduler leaves undone', async () => {
		const idle: Scheduler = {
			...createScheduler('round-robin', { clockSeconds: () => 0 }),
			name: 'idle',
			decide: () => [],
		};
		await expect(run(twoQueries, idle)).rejects.toThrow(PolicyError);
		await expect(run(twoQueries, idle)).rejects.toThrow(/left 2 of 2 queries unsettled/);
	});

	it('ends an aborted run as interrupted', async () => {
		const records: RunRecord[] = [];
		const setup = smallSetup({
			queries: Array.from({ length: 200 }, () => ({ calls: [{ model: 'a', outputTokens: 2000 }] })),
		});
		const outcome = await simulate(
			setup,
			createScheduler('round-robin', { clockSeconds: () => 0 }),
			createGate('never'),
			{ version: 'test', onRecord: (record) => records.push(record), signal: AbortSignal.abort() },
		);
		expect(outcome.status).toBe('interrupted');
		expect(records.at(-1)).toMatchObject({ type: 'run-ended', status: 'interrupted' });
	});

	it('carries out a re-plan while the run goes on, and charges it', async () => {
		let plans = 0;
		let first: Plan | null = null;
		const base = createScheduler('round-robin', { clockSeconds: () => 0 });
		const scheduler: Scheduler = {
			name: 'replanner',
			plan: async (problem) => {
				plans++;
				first ??= await base.plan(problem);
				const plan = first;
				return { ...plan, evidence: { ...plan.evidence, solveSeconds: 0.25 } };
			},
			decide: (view) => {
				const asked = plans === 1 && view.nowUs > 1_000_000 ? [{ type: 'replan' } as const] : [];
				return [...asked, ...base.decide(view)];
			},
		};
		const { records } = await run(twoQueries, scheduler);
		const made = records.filter((record) => record.type === 'plan-made');
		expect(made.map((record) => record.timeUs)).toEqual([250_000, 2_250_000 + 250_000]);
	});

	it('cancels a running call: its tokens are counted and its GPU is free for others', async () => {
		const replica = replicaId('r');
		const scheduler: Scheduler = {
			...createScheduler('round-robin', { clockSeconds: () => 0 }),
			name: 'canceller',
			decide: (view: View): Action[] => {
				const [only] = view.replicas;
				if (only === undefined)
					return [{ type: 'start', replica, model: modelId('a'), gpus: [gpuId('gpu0')] }];
				if (only.state === 'awake' && only.dispatched.expert === 0)
					return view
						.pending(modelId('a'), 'expert')
						.map((call) => ({ type: 'dispatch', call: call.id, replica }));
				if (view.pending(modelId('a'), 'expert').length > 0 || only.openCalls !== 1) return settle(view);
				const slow = view.query(view.plan && ('q0' as never)).slots[1];
				return slow?.state === 'dispatched' ? [{ type: 'cancel', call: callId('q0/1') }] : settle(view);
			},
		};
		const settle = (view: View): Action[] => view.acceptable.map((query) => ({ type: 'settle', query }));
		const { records } = await run(
			{
				queries: [
					{
						calls: [
							{ model: 'a', outputTokens: 10 },
							{ model: 'a', outputTokens: 1000 },
						],
					},
				],
				aggregator: null,
			},
			scheduler,
			'never',
		);
		// The other call ends after 10 steps; by then this one has 10 tokens.
		expect(records.find((record) => record.type === 'call-cancelled')).toMatchObject({
			call: 'q0/1',
			timeUs: 2_100_000,
			outputTokens: 10,
		});
		expect(records.at(-1)).toMatchObject({ type: 'run-ended', timeUs: 2_100_000 });
	});
});
