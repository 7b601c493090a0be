import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { createProblem } from '../../sim/core/problem.ts';
import { modelId } from '../../sim/domain/ids.ts';
import type { Demand, Forecaster, Problem } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { type SmallQuery, smallSetup } from '../support/setup-builder.ts';

const call = (model: string): SmallQuery['calls'][number] => ({ model, outputTokens: 10 });
const problemOf = (setup: Setup, remaining?: Parameters<typeof createProblem>[3]): Problem =>
	createProblem(setup, createGate('never'), {} as Forecaster, remaining);
const counts = (calls: Problem['expertCalls']): readonly string[] =>
	calls.map(({ model, task, count }) => `${model} ${task} ${count}`);

/** Ten queries a second apart that all ask a and b; what is known beforehand says otherwise. */
function overTime(demand: Demand, firstUs = 0): Setup {
	const queries = Array.from({ length: 10 }, (_, i) => ({
		arrivalUs: firstUs + i * 1_000_000,
		calls: [call('b'), call('a')],
	}));
	return { ...smallSetup({ queries, aggregator: null }), demand };
}

const mix = (calls: Readonly<Record<string, number>>, queriesPerSecond: number | null = null): Demand => ({
	queriesPerSecond,
	callsPerQuery: Object.entries(calls).map(([model, mean]) => ({
		model: modelId(model),
		task: 'test',
		calls: mean,
	})),
});

describe('what planning knows', () => {
	it('of a batch: every query and every call, models as first seen', () => {
		const queries = [{ calls: [call('b'), call('a')] }, { calls: [call('b'), call('c')] }];
		const problem = problemOf(smallSetup({ queries }));
		expect(problem.queries).toHaveLength(2);
		expect(counts(problem.expertCalls)).toEqual(['b test 2', 'a test 1', 'c test 1']);
		expect(problem.future).toBeNull();
	});

	it('of queries to come: how many, and the mix that the experiment states, not whom they ask', () => {
		const problem = problemOf(overTime(mix({ a: 0.25, c: 1.75 }, 3)));
		// The first is there at time 0.
		expect(problem.queries.map(({ id }) => id)).toEqual(['q0']);
		expect(problem.future).toMatchObject({ count: 9, perSecond: 3 });
		// 9 x 0.25 = 2.25 and 9 x 1.75 = 15.75 make 18 whole calls.
		expect(counts(problem.future?.expertCalls ?? [])).toEqual(['a test 2', 'c test 16']);
		expect(counts(problem.expertCalls)).toEqual(['b test 1', 'a test 3', 'c test 16']);
	});

	it('of a whole slot table: exactly its calls, whatever floating point makes of the shares', () => {
		const table = { a: 7, b: 10, c: 3 };
		const shares = Object.fromEntries(Object.entries(table).map(([model, n]) => [model, n / 10]));
		const problem = problemOf(overTime(mix(shares), 1));
		expect(problem.queries).toEqual([]);
		expect(counts(problem.expertCalls)).toEqual(['a test 7', 'b test 10', 'c test 3']);
	});

	it('of a rare model: that it may be asked, so that it gets a place', () => {
		expect(counts(problemOf(overTime(mix({ a: 1.99, c: 0.01 }), 1)).expertCalls)).toEqual([
			'a test 20',
			'c test 1',
		]);
	});

	it('in the middle of a run: what waits, what is still missing, and the rate seen so far', () => {
		const setup = overTime(mix({ a: 1, b: 1 }));
		const [, , third] = setup.queries;
		const problem = problemOf(setup, {
			queries: third === undefined ? [] : [third],
			expertCalls: [{ model: modelId('b'), task: 'test' }],
			arrivedQueries: 3,
		});
		expect(problem.queries.map(({ id }) => id)).toEqual(['q2']);
		// Three in two seconds: two gaps of one.
		expect(problem.future).toMatchObject({ count: 7, perSecond: 1 });
		expect(counts(problem.expertCalls)).toEqual(['b test 8', 'a test 7']);
		expect(problemOf(setup).future?.perSecond).toBeNull();
		const last = problemOf(setup, { queries: [], expertCalls: [], arrivedQueries: 10 });
		expect(last.future).toEqual({ count: 0, perSecond: 1, expertCalls: [] });
		expect(last.expertCalls).toEqual([]);
	});
});
