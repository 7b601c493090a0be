import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { createProblem } from '../../sim/core/problem.ts';
import { gpuId, modelId } from '../../sim/domain/ids.ts';
import type { PlannedSession } from '../../sim/domain/plan.ts';
import type { Forecaster, Scheduler } from '../../sim/domain/scheduler.ts';
import { runPlan } from '../../solver/run-plan.ts';
import { unprovenEvidence } from '../../solver/static-plan.ts';
import { type SmallSetup, smallSetup } from '../support/setup-builder.ts';
import { type Mishaps, runInSteps, type StepRun } from '../support/step-world.ts';

/** `s('a', [0, 1], 3, 1)`: 3 calls of model a over gpu0 and gpu1 in phase 1. */
const s = (model: string, gpus: readonly number[], calls: number | null, phase = 0): PlannedSession => ({
	gpus: gpus.map((index) => gpuId(`gpu${index}`)),
	model: modelId(model),
	role: calls === null ? 'aggregator' : 'expert',
	calls,
	phase,
});

const fixedPlan = (sessions: readonly PlannedSession[]): Scheduler => ({
	name: 'fixed',
	plan: async () => ({
		scheduler: 'fixed',
		sessions,
		evidence: unprovenEvidence(1, 'heuristic'),
		details: {},
	}),
	decide: runPlan,
});

/** `count` queries of one call each. */
const queriesOf = (model: string, count: number): SmallSetup['queries'] =>
	Array.from({ length: count }, () => ({ calls: [{ model, outputTokens: 1 }] }));

async function carryOut(
	sessions: readonly PlannedSession[],
	queries: SmallSetup['queries'],
	mishaps: Mishaps = {},
	gate = 'unanimous',
): Promise<StepRun> {
	const hasAggregator = sessions.some(({ role }) => role === 'aggregator');
	// Engines small enough to fit side by side: nothing but the policy keeps a GPU to one.
	const roomy = { gpus: 4, queries, gpuBytesPerGpu: 20e9 };
	const setup = smallSetup(hasAggregator ? roomy : { ...roomy, aggregator: null });
	const problem = createProblem(setup, createGate(gate), {} as Forecaster);
	return runInSteps(setup, problem, fixedPlan(sessions), createGate(gate), mishaps);
}

describe('carrying out a plan', () => {
	it('gives each session its share, in workload order, and stops it', async () => {
		const run = await carryOut([s('a', [0], 2), s('a', [1], 3)], queriesOf('a', 5));
		expect(run.served).toEqual({ 's0-a': 2, 's1-a': 3 });
		const dispatched = run.records.filter((record) => record.type === 'call-dispatched');
		expect(dispatched.map(({ call, replica }) => `${call} ${replica}`)).toEqual([
			'q0/0 s0-a',
			'q1/0 s0-a',
			'q2/0 s1-a',
			'q3/0 s1-a',
			'q4/0 s1-a',
		]);
		expect(run.story.slice(-2)).toEqual(['s0-a stopped', 's1-a stopped']);
		expect(run.openQueries).toBe(0);
	});

	it('loads the next session of a GPU when the one before has stopped', async () => {
		const queries = [...queriesOf('a', 1), ...queriesOf('b', 1), ...queriesOf('c', 1)];
		const run = await carryOut([s('a', [0], 1), s('b', [0], 1), s('c', [1], 1)], queries);
		const story = run.story.filter((line) => !line.includes('s2'));
		expect(story).toEqual([
			's0-a loading',
			's0-a awake',
			's0-a stopped',
			's1-b loading',
			's1-b awake',
			's1-b stopped',
		]);
		expect(run.started.slice(0, 2)).toEqual(['s0-a', 's2-c']);
	});

	it('holds a session of several GPUs until all of them are free, and those behind it until it is done', async () => {
		const queries = ['a', 'b', 'c'].flatMap((model) => queriesOf(model, 1));
		const run = await carryOut([s('a', [0], 1), s('b', [0, 1], 1), s('c', [1], 1)], queries);
		expect(run.started).toEqual(['s0-a', 's1-b', 's2-c']);
		const at = (line: string): number => run.story.indexOf(line);
		expect(at('s1-b loading')).toBeGreaterThan(at('s0-a stopped'));
		expect(at('s2-c loading')).toBeGreaterThan(at('s1-b stopped'));
	});

	it('starts a phase when all sessions of lower phases have ended everywhere', async () => {
		const queries = ['a', 'b', 'c'].flatMap((model) => queriesOf(model, 1));
		const run = await carryOut([s('c', [2], 1, 1), s('a', [0], 1), s('b', [1], 1)], queries);
		expect(run.started).toEqual(['s1-a', 's2-b', 's0-c']);
		const loaded = run.story.indexOf('s0-c loading');
		expect(run.story.slice(0, loaded)).toEqual(expect.arrayContaining(['s1-a stopped', 's2-b stopped']));
	});

	it('passes over an aggregator that no query needs, and settles by vote', async () => {
		const unanimous = queriesOf('a', 2);
		const run = await carryOut([s('a', [0], 2), s('agg', [0], null, 1)], unanimous);
		expect(run.started).toEqual(['s0-a']);
		expect(run.openQueries).toBe(0);
	});

	it('aggregates as many as the gate leaves, after the experts', async () => {
		const run = await carryOut([s('a', [0], 2), s('agg', [0], null, 1)], queriesOf('a', 2), {}, 'never');
		expect(run.started).toEqual(['s0-a', 's1-agg']);
		expect(run.served['s1-agg']).toBe(2);
		expect(run.story.at(-1)).toBe('s1-agg stopped');
		expect(run.openQueries).toBe(0);
	});

	it('takes a failed call for ended', async () => {
		const run = await carryOut([s('a', [0], 3)], queriesOf('a', 3), { failedCalls: ['q1/0'] });
		expect(run.story.at(-1)).toBe('s0-a stopped');
		expect(run.openQueries).toBe(0);
	});
});

describe('a replica that fails', () => {
	it('leaves its share to the others of its model, in even parts', async () => {
		const plan = [s('a', [0], 5), s('a', [1], 1), s('a', [2], 1)];
		const run = await carryOut(plan, queriesOf('a', 7), { failToLoad: ['s0-a'] });
		expect(run.started).toEqual(['s0-a', 's1-a', 's2-a']);
		expect(run.served).toEqual({ 's1-a': 4, 's2-a': 3 });
		expect(run.openQueries).toBe(0);
	});

	it('leaves it to several that are awake in one round, no call twice', async () => {
		const plan = [s('a', [0], 1), s('a', [1], 1), s('a', [2], 5)];
		const run = await carryOut(plan, queriesOf('a', 7), { failToLoad: ['s2-a'] });
		expect(run.served).toEqual({ 's0-a': 4, 's1-a': 3 });
		expect(run.openQueries).toBe(0);
	});

	it('waits with its second start until the session that took its GPU has stopped', async () => {
		// s3 takes over for s0, so b loads on gpu0; s3 fails too, while b is at work.
		const plan = [s('a', [0], 1), s('b', [0], 30), s('c', [1], 1), s('a', [1], 1)];
		const queries = [...queriesOf('a', 2), ...queriesOf('b', 30), ...queriesOf('c', 1)];
		const run = await carryOut(plan, queries, { failToLoad: ['s0-a', 's3-a'] });
		expect(run.started).toEqual(['s0-a', 's2-c', 's1-b', 's3-a', 's0r1-a']);
		const at = (line: string): number => run.story.indexOf(line);
		expect(at('s3-a failed')).toBeLessThan(at('s1-b stopped'));
		expect(at('s0r1-a loading')).toBeGreaterThan(at('s1-b stopped'));
		expect(run.served['s0r1-a']).toBe(2);
		expect(run.openQueries).toBe(0);
	});

	it('takes down the calls it was given, and only those', async () => {
		const plan = [s('a', [0], 4), s('a', [1], 1), s('a', [2], 1)];
		const run = await carryOut(plan, queriesOf('a', 6), { failAtWork: ['s0-a'] });
		expect(run.served).toEqual({ 's0-a': 4, 's1-a': 1, 's2-a': 1 });
		expect(run.openQueries).toBe(0);
	});

	it('is started once more where it is the only one', async () => {
		const run = await carryOut([s('a', [0], 3)], queriesOf('a', 3), { failToLoad: ['s0-a'] });
		expect(run.started).toEqual(['s0-a', 's0r1-a']);
		expect(run.served).toEqual({ 's0r1-a': 3 });
		expect(run.openQueries).toBe(0);
	});

	it('is started again before the sessions that come after it on its GPU', async () => {
		const queries = [...queriesOf('a', 1), ...queriesOf('b', 1)];
		const run = await carryOut([s('a', [0], 1), s('b', [0], 1)], queries, { failToLoad: ['s0-a'] });
		expect(run.started).toEqual(['s0-a', 's0r1-a', 's1-b']);
		expect(run.openQueries).toBe(0);
	});

	it('does not stop the run when it fails twice: its calls are cancelled, the others go on', async () => {
		const queries = [...queriesOf('a', 2), ...queriesOf('b', 1)];
		const run = await carryOut([s('a', [0], 2), s('b', [0], 1)], queries, {
			failToLoad: ['s0-a', 's0r1-a'],
		});
		expect(run.started).toEqual(['s0-a', 's0r1-a', 's1-b']);
		expect(run.records.filter((record) => record.type === 'call-cancelled')).toHaveLength(2);
		expect(run.openQueries).toBe(0);
	});

	it('takes the aggregator calls with it when it fails twice', async () => {
		const plan = [s('a', [0], 2), s('agg', [0], null, 1)];
		const mishaps = { failToLoad: ['s1-agg', 's1r1-agg'] };
		const run = await carryOut(plan, queriesOf('a', 2), mishaps, 'never');
		expect(run.started).toEqual(['s0-a', 's1-agg', 's1r1-agg']);
		const settled = run.records.filter((record) => record.type === 'query-settled');
		expect(settled.map(({ by }) => by)).toEqual(['failure', 'failure']);
	});

	it('lets the last of three serve what two left', async () => {
		const plan = [s('a', [0], 2), s('a', [1], 2), s('a', [2], 2)];
		const run = await carryOut(plan, queriesOf('a', 6), { failToLoad: ['s0-a', 's1-a'] });
		expect(run.served).toEqual({ 's2-a': 6 });
		expect(run.openQueries).toBe(0);
	});

	it('leaves what it gave back to the others of its model, in even parts', async () => {
		const plan = [s('a', [0], 4), s('a', [1], 1), s('a', [2], 2)];
		const run = await carryOut(plan, queriesOf('a', 7), { returnAtWork: ['s0-a'] });
		expect(run.finished).toEqual({ 's1-a': 3, 's2-a': 4 });
		expect(run.started).toEqual(['s0-a', 's1-a', 's2-a']);
		expect(run.openQueries).toBe(0);
	});

	it('serves what it gave back itself, started once more, where it is the only one left', async () => {
		// The others had done their share and stopped.
		const plan = [s('a', [0], 1), s('a', [1], 3, 1)];
		const run = await carryOut(plan, queriesOf('a', 4), { returnAtWork: ['s1-a'] });
		expect(run.finished).toEqual({ 's0-a': 1, 's1r1-a': 3 });
		expect(run.openQueries).toBe(0);
	});

	it('gives back aggregator calls, which its second start serves', async () => {
		const plan = [s('a', [0], 2), s('agg', [0], null, 1)];
		const run = await carryOut(plan, queriesOf('a', 2), { returnAtWork: ['s1-agg'] }, 'never');
		expect(run.finished).toEqual({ 's0-a': 2, 's1r1-agg': 2 });
		expect(run.openQueries).toBe(0);
	});

	it('gives its calls up when it dies at work twice', async () => {
		const mishaps = { returnAtWork: ['s0-a', 's0r1-a'] };
		const run = await carryOut([s('a', [0], 3)], queriesOf('a', 3), mishaps);
		expect(run.finished).toEqual({});
		expect(run.records.filter((record) => record.type === 'call-cancelled')).toHaveLength(3);
		expect(run.openQueries).toBe(0);
	});
});
