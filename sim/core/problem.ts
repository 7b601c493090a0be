import type { ModelId } from '../domain/ids.ts';
import type { CallCount, Forecaster, Problem } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Call, Query } from '../domain/work.ts';

/** What is left to plan; by default the whole workload. */
export interface Remaining {
	readonly queries: readonly Query[];
	/** Expert calls that have not been dispatched. */
	readonly expertCalls: readonly Pick<Call, 'model' | 'task'>[];
}

/** What a scheduler may plan with: the setup without its truth. */
export function createProblem(
	setup: Setup,
	forecaster: Forecaster,
	remaining: Remaining = allOf(setup.queries),
): Problem {
	const { cluster, models, profiles, aggregator, planOptions: options } = setup;
	return {
		cluster,
		models,
		profiles,
		queries: remaining.queries,
		expertCalls: countCalls(remaining.expertCalls),
		aggregator,
		forecaster,
		options,
	};
}

const allOf = (queries: readonly Query[]): Remaining => ({
	queries,
	expertCalls: queries.flatMap(({ task, slots }) => slots.map((model) => ({ model, task }))),
});

/** Calls per (model, task), in the order in which the models are first seen in the queue. */
function countCalls(calls: Remaining['expertCalls']): CallCount[] {
	const counts = new Map<string, { model: ModelId; task: string; role: 'expert'; count: number }>();
	for (const { model, task } of calls) {
		const key = `${model}/${task}`;
		const known = counts.get(key);
		if (known === undefined) counts.set(key, { model, task, role: 'expert', count: 1 });
		else known.count++;
	}
	return [...counts.values()];
}
