import type { ModelId } from '../sim/domain/ids.ts';
import type { Gpu } from '../sim/domain/model.ts';
import type { PlannedSession } from '../sim/domain/plan.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import { runPlan } from './run-plan.ts';
import { heuristicPlan } from './static-plan.ts';
import { expertWork, fitsNowhere, groupFor } from './workers.ts';

/**
 * One model at a time as one engine over as many GPUs as tensor parallelism can use: the largest power of two that the cluster has,
 * that divides the attention heads and that was profiled. (Symbolic-MoE, arXiv 2503.05641, runs its experts one after another.)
 */
export function createSequential(): Scheduler {
	return {
		name: 'sequential',
		plan: async (problem) => heuristicPlan('sequential', problem, queueUp(problem)),
		decide: runPlan,
	};
}

/** A phase for each model, so that no two are loaded at once even where their groups do not overlap. */
const queueUp = (problem: Problem): readonly PlannedSession[] =>
	expertWork(problem).map(({ model, calls }, phase) => {
		const gpus = widestGroup(problem, model).map(({ id }) => id);
		return { gpus, model, role: 'expert', calls, phase };
	});

function widestGroup(problem: Problem, model: ModelId): readonly Gpu[] {
	const heads = problem.models.find(({ id }) => id === model)?.attentionHeads ?? 1;
	const widest = 2 ** Math.floor(Math.log2(problem.cluster.gpus.length));
	for (let tensorParallel = widest; tensorParallel >= 1; tensorParallel /= 2) {
		if (heads % tensorParallel !== 0) continue;
		const group = groupFor(problem, model, tensorParallel);
		if (group !== undefined) return group;
	}
	throw fitsNowhere(problem, model, 'on any group of GPUs');
}
