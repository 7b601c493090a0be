import { assert } from '../domain/errors.ts';
import type { ModelId } from '../domain/ids.ts';
import type {
	CallCount,
	Demand,
	Forecaster,
	FutureQueries,
	ObservedLengths,
	Problem,
} from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import { secondsFromUs } from '../domain/units.ts';
import type { Call, Gate, Query } from '../domain/work.ts';
import { forecastGate } from './gate-forecast.ts';

/** What is left to plan of queries that have arrived; by default that of time 0. */
export interface Remaining {
	/** Not settled. */
	readonly queries: readonly Query[];
	/** Expert calls that have not been dispatched. */
	readonly expertCalls: readonly Pick<Call, 'model' | 'task'>[];
	/** Queries that have arrived so far, settled ones included: the first so many of the workload. */
	readonly arrivedQueries: number;
	readonly observed?: readonly ObservedLengths[];
}

/** What a scheduler may plan with: the setup without its truth and without the queries that have not arrived. */
export function createProblem(
	setup: Setup,
	gate: Gate,
	forecaster: Forecaster,
	remaining: Remaining = atStart(setup.queries),
): Problem {
	const { cluster, models, profiles, aggregator, planOptions: options } = setup;
	const waiting = countCalls(remaining.expertCalls);
	const future = foresee(setup, remaining.arrivedQueries);
	return {
		cluster,
		models,
		profiles,
		queries: remaining.queries,
		expertCalls: future === null ? waiting : addCounts(waiting, future.expertCalls),
		future,
		aggregator,
		gate: forecastGate(setup, gate),
		forecaster,
		options,
		observed: remaining.observed ?? [],
	};
}

function atStart(queries: readonly Query[]): Remaining {
	const arrived = queries.filter(({ arrivalUs }) => arrivalUs <= 0);
	return {
		queries: arrived,
		expertCalls: arrived.flatMap(({ task, slots }) => slots.map((model) => ({ model, task }))),
		arrivedQueries: arrived.length,
	};
}

/** Calls per (model, task), in the order in which the models are first seen in the queue. */
const countCalls = (calls: Remaining['expertCalls']): readonly CallCount[] =>
	addCounts(
		[],
		calls.map(({ model, task }) => ({ model, task, role: 'expert', count: 1 })),
	);

function addCounts(counts: readonly CallCount[], more: readonly CallCount[]): readonly CallCount[] {
	const sums = new Map<string, { model: ModelId; task: string; role: CallCount['role']; count: number }>();
	for (const { model, task, role, count } of [...counts, ...more]) {
		const key = `${model}/${task}`;
		const known = sums.get(key);
		if (known === undefined) sums.set(key, { model, task, role, count });
		else known.count += count;
	}
	return [...sums.values()];
}

/** The stated demand for as many queries as are still missing. Of these, nothing but their number is looked at. */
function foresee({ demand, queries }: Setup, arrivedQueries: number): FutureQueries | null {
	if (demand === null) {
		assert(
			queries.every(({ arrivalUs }) => arrivalUs === 0),
			'queries come over time, and the setup does not say what planning may know of them',
		);
		return null;
	}
	const count = queries.length - arrivedQueries;
	return {
		count,
		perSecond: demand.queriesPerSecond ?? seenPerSecond(queries.slice(0, arrivedQueries)),
		expertCalls: expectedCalls(demand, count),
	};
}

function seenPerSecond(arrived: readonly Query[]): number | null {
	const spanUs = (arrived.at(-1)?.arrivalUs ?? 0) - (arrived[0]?.arrivalUs ?? 0);
	return spanUs === 0 ? null : (arrived.length - 1) / secondsFromUs(spanUs);
}

/**
 * Whole calls that add up: what rounding down leaves goes to the largest fractions, earlier ones first. A model that may be asked is expected
 * once at least, so that a plan has a place for it.
 */
function expectedCalls({ callsPerQuery }: Demand, queries: number): readonly CallCount[] {
	// A share of a whole table is not exact in floating point: 100 x (7 / 100) may lie below 7.
	const exact = callsPerQuery.map(({ calls }) => Number((queries * calls).toFixed(6)));
	const counts = exact.map(Math.floor);
	const missing = Math.round(exact.reduce((sum, value) => sum + value, 0)) - sumOf(counts);
	const fractions = exact.map((value, index) => ({ index, fraction: value - Math.floor(value) }));
	fractions.sort((a, b) => b.fraction - a.fraction || a.index - b.index);
	for (const { index } of fractions.slice(0, missing)) counts[index] = (counts[index] ?? 0) + 1;
	return callsPerQuery.flatMap(({ model, task, calls }, index): CallCount[] =>
		queries > 0 && calls > 0 ? [{ model, task, role: 'expert', count: Math.max(1, counts[index] ?? 0) }] : [],
	);
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
