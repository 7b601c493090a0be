import { quantileTokens } from '../sim/domain/distribution.ts';
import { expertCallId, type ModelId, queryId } from '../sim/domain/ids.ts';
import type { RequiredCall, RequiredWork } from '../sim/domain/required-work.ts';
import type { CallCount, Problem } from '../sim/domain/scheduler.ts';
import { secondsFromUs } from '../sim/domain/units.ts';
import { boundProblem } from './bounds.ts';
import { gpuTimeUs } from './gpu-time-bound.ts';

/**
 * How long the expected calls keep all GPUs busy at least, loads included: every expert call, and the aggregator's for the share of queries that
 * the gate is expected to send, with lengths spread over their distributions and cut where the gate cuts. An expectation before the run,
 * not a bound on it: real lengths may be shorter, and early votes leave calls out.
 */
export function expectedBoundSeconds(problem: Problem): number {
	const { cluster, profiles, queries, future, aggregator, gate } = problem;
	const queryCount = queries.length + (future?.count ?? 0);
	const counts: CallCount[] = [...problem.expertCalls];
	if (aggregator !== null)
		for (const [task, share] of taskShares(problem))
			counts.push({
				model: aggregator.model,
				task,
				role: 'aggregator',
				count: Math.round(gate.aggregatedShare * share * queryCount),
			});
	const work = counts.flatMap((count) => expectedWork(problem, count));
	if (work.length === 0) return 0;
	const { areaUs, lpUs } = gpuTimeUs(boundProblem({ cluster, profiles, work }));
	return secondsFromUs(Math.max(areaUs, lpUs));
}

/** Calls of one kind, evenly spread over the quantiles of their length. */
function expectedWork(problem: Problem, { model, task, role, count }: CallCount): RequiredWork[] {
	const distribution = problem.forecaster.distribution(model, task, role);
	const cutTokens = problem.gate.cutTokens(model, task, role);
	const promptTokens = meanPromptTokens(problem, model);
	return Array.from({ length: count }, (_, i) => {
		const query = queryId(`${role}/${model}/${task}/${i}`);
		const outputTokens = Math.max(1, Math.min(quantileTokens(distribution, (i + 0.5) / count), cutTokens));
		const call: RequiredCall = {
			call: expertCallId(query, 0),
			role,
			model,
			promptTokens,
			outputTokens,
		};
		return { query, arrivalUs: 0, ways: [[call]] };
	});
}

/** Of the question as this model's experts read it, or as anybody does; answers in an aggregator's prompt are left out. */
function meanPromptTokens({ queries }: Problem, model: ModelId): number {
	const prompts = (own: boolean): number[] =>
		queries.flatMap(({ slots, slotPromptTokens }) =>
			slotPromptTokens.filter((_, slot) => !own || slots[slot] === model),
		);
	const ownPrompts = prompts(true);
	const known = ownPrompts.length > 0 ? ownPrompts : prompts(false);
	return Math.max(1, Math.round(known.reduce((sum, tokens) => sum + tokens, 0) / Math.max(1, known.length)));
}

/** Of the queries; of those to come alone, as their calls say. */
function taskShares({ queries, expertCalls }: Problem): ReadonlyMap<string, number> {
	const counted = queries.length > 0 ? queries.map(({ task }) => ({ task, count: 1 })) : expertCalls;
	const total = counted.reduce((sum, { count }) => sum + count, 0);
	const shares = new Map<string, number>();
	for (const { task, count } of counted) shares.set(task, (shares.get(task) ?? 0) + count / total);
	return shares;
}
