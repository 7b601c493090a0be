import { present } from '../sim/domain/errors.ts';
import type { PlannedSession } from '../sim/domain/plan.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import { runPlan } from './run-plan.ts';
import { heuristicPlan } from './static-plan.ts';
import { expertWork, workersFor } from './workers.ts';

/**
 * Every GPU runs every model on an even part of its calls, one model after another with a barrier between them. GPUs that cannot hold a
 * model, or get no call of it, skip its turn.
 */
export function createDataParallel(): Scheduler {
	return {
		name: 'data-parallel',
		plan: async (problem) => heuristicPlan('data-parallel', problem, shard(problem)),
		decide: runPlan,
	};
}

function shard(problem: Problem): readonly PlannedSession[] {
	return expertWork(problem).flatMap(({ model, calls }, phase) => {
		const workers = workersFor(problem, model);
		const shares = evenShares(calls, workers.length);
		return workers
			.map(({ id }, index): PlannedSession => {
				const share = present(shares[index], 'share');
				return { gpus: [id], model, role: 'expert', calls: share, phase };
			})
			.filter((session) => session.calls !== 0);
	});
}

/** Parts that differ by one at most and add up to `total`; the first ones are the larger. */
const evenShares = (total: number, parts: number): readonly number[] =>
	Array.from({ length: parts }, (_, i) => Math.floor(total / parts) + (i < total % parts ? 1 : 0));
