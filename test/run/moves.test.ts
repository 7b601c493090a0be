import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/gates.ts';
import { callId, gpuId, modelId, replicaId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Action, View } from '../../sim/domain/scheduler.ts';
import { summarize } from '../../sim/report/summary.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { emptyPlan } from '../support/empty-plan.ts';
import { lawBreaches } from '../support/run-laws.ts';
import { type SmallQuery, type SmallSetup, smallSetup } from '../support/setup-builder.ts';

const M = modelId('m');
const A = replicaId('A');
const B = replicaId('B');
const CALL = callId('q0/0');

const start = (replica: typeof A, gpu: string): Action => ({
	type: 'start',
	replica,
	model: M,
	gpus: [gpuId(gpu)],
});
const dispatch = (call: string, replica: typeof A): Action => ({
	type: 'dispatch',
	call: callId(call),
	replica,
});
const park: Action = { type: 'park', call: CALL };
const migrate = (replica: typeof A): Action => ({ type: 'migrate', call: CALL, replica });

/** Three calls; the second ends first. */
const three: SmallQuery = {
	calls: [
		{ model: 'm', promptTokens: 100, outputTokens: 200 },
		{ model: 'm', promptTokens: 30, outputTokens: 50 },
		{ model: 'm', promptTokens: 30, outputTokens: 400 },
	],
};
const base: SmallSetup = { aggregator: null, queries: [three] };

interface Script {
	readonly small?: SmallSetup;
	/** Where each query's calls begin; on A where it is not said. */
	readonly begin?: (query: string) => typeof A;
	/** What is done at one decision after the other, from the first end of a call on; votes are settled afterwards. */
	readonly steps: readonly ((view: View) => readonly Action[])[];
	/** Charged for the plans, in order. */
	readonly solveSeconds?: readonly number[];
}

/** Runs with the calls on two replicas of one model and does as the script says. */
async function run({ small = base, begin = () => A, steps, solveSeconds = [] }: Script) {
	const setup = smallSetup(small);
	const records: RunRecord[] = [];
	let stage = 0;
	let plans = 0;
	const decide = (view: View): readonly Action[] => {
		if (stage === 0) {
			stage = 1;
			return [start(A, 'gpu0'), start(B, 'gpu1')];
		}
		if (stage === 1) {
			if (view.replicas.some(({ state }) => state !== 'awake')) return [];
			stage = 2;
			return view.pending(M, 'expert').map((call) => dispatch(call.id, begin(call.query)));
		}
		const step = steps[stage - 2];
		stage++;
		return step?.(view) ?? view.acceptable.map((query) => ({ type: 'settle', query }));
	};
	await simulate(
		setup,
		{
			name: 'scripted',
			plan: async () => emptyPlan(`plan ${plans}`, solveSeconds[plans++] ?? 0),
			decide,
		},
		createGate('never'),
		{ version: 'test', onRecord: (record) => records.push(record) },
	);
	expect(lawBreaches(records, setup, createGate('never'))).toEqual([]);
	const own = records.filter((record) => 'call' in record && record.call === CALL);
	const finished = own.find((record) => record.type === 'call-finished');
	return { records, own, finished, types: own.map(({ type }) => type) };
}

describe('calls that move or are put aside', () => {
	it('end once where they are cancelled in the decision that parks them, with their tokens counted', async () => {
		const { own, records } = await run({ steps: [() => [park, { type: 'cancel', call: CALL }]] });
		expect(own.at(-1)).toMatchObject({ type: 'call-cancelled', replica: A, outputTokens: 50 });
		expect(own).toHaveLength(2);
		expect(summarize(records).tokens).toMatchObject({ output: 50 + 400, wasted: 50 });
	});

	it('are cancelled, not never started, when they are given up later', async () => {
		const { own, records } = await run({
			small: { ...base, queries: [three, { calls: [{ model: 'm', outputTokens: 90 }] }] },
			steps: [() => [park], () => [{ type: 'cancel', call: CALL }]],
		});
		expect(own.at(-1)).toMatchObject({ type: 'call-cancelled', replica: null, outputTokens: 50 });
		expect(summarize(records).calls).toMatchObject({ cancelled: 1, neverStarted: 0, parked: 1 });
	});

	it('leave a replica that is stopped in the same decision', async () => {
		const { records, finished } = await run({
			steps: [
				(view) => [
					...view.openOn(A).map(({ call }): Action => ({ type: 'migrate', call: call.id, replica: B })),
					{ type: 'stop', replica: A },
				],
			],
		});
		expect(finished).toMatchObject({ replica: B, outputTokens: 200 });
		const told = records.findIndex(
			(record) => record.type === 'replica-changed' && record.state === 'stopping',
		);
		expect(records.slice(told).filter(({ type }) => type === 'call-migrated')).toHaveLength(2);
	});

	it('are computed again once where they pass through a replica that has not begun them', async () => {
		const crowd = Array.from(
			{ length: 8 },
			(): SmallQuery => ({ calls: [{ model: 'm', outputTokens: 300 }] }),
		);
		const { own, finished } = await run({
			small: { ...base, queries: [three, ...crowd] },
			begin: (query) => (query === 'q0' ? A : B),
			steps: [() => [migrate(B), migrate(A)]],
		});
		expect(own.filter(({ type }) => type === 'call-migrated')).toHaveLength(2);
		expect(finished).toMatchObject({ replica: A, migrations: 2, recomputedTokens: 100 + 50 });
	});

	it('find what they have said in the prefix cache of their engine, time and again', async () => {
		const again = (view: View): readonly Action[] =>
			view.pending(M, 'expert').map(({ id }) => dispatch(id, A));
		const others = [60, 100, 140, 180].map((outputTokens) => ({ model: 'm', outputTokens }));
		const { finished } = await run({
			small: { ...base, engine: { prefixCaching: true }, queries: [three, { calls: others }] },
			steps: [() => [park], again, () => [park], again],
		});
		// Parked at 50 tokens for 10 steps, and at 90 for 40: all full blocks but the one of the last token.
		expect(finished).toMatchObject({ outputTokens: 200, migrations: 2, cachedPromptTokens: 176 });
	});
});

describe('a plan that is asked for', () => {
	it('while another is made is not made: that one is the answer', async () => {
		const replan = (): readonly Action[] => [{ type: 'replan' }];
		const { records } = await run({
			small: { ...base, queries: [three, { calls: [{ model: 'm', outputTokens: 60 }] }] },
			steps: [replan, replan],
			solveSeconds: [0, 1, 0],
		});
		const made = records.filter((record) => record.type === 'plan-made');
		expect(made.map(({ plan }) => plan.scheduler)).toEqual(['plan 0', 'plan 1']);
	});

	it('after the last one has come is made', async () => {
		const replan = (): readonly Action[] => [{ type: 'replan' }];
		const { records } = await run({ steps: [replan, replan], solveSeconds: [0, 0.1, 0] });
		expect(records.filter((record) => record.type === 'plan-made')).toHaveLength(3);
	});
});
