import { present } from '../sim/domain/errors.ts';
import type { ModelId } from '../sim/domain/ids.ts';
import type { PlannedSession } from '../sim/domain/plan.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import { runPlan } from './run-plan.ts';
import { heuristicPlan } from './static-plan.ts';
import { type ExpertWork, expertWork, workersFor } from './workers.ts';

/**
 * The paper's baseline: model m of the dealing order goes whole to worker m mod N, each loaded once, without looking at cost. A worker
 * that cannot hold the model passes it to the next one that can.
 */
export function createRoundRobin(): Scheduler {
	return {
		name: 'round-robin',
		plan: async (problem) => heuristicPlan('round-robin', problem, deal(problem)),
		decide: runPlan,
	};
}

function deal(problem: Problem): readonly PlannedSession[] {
	const { gpus } = problem.cluster;
	const dealt = dealingOrder(problem).map(({ model, calls }, position): PlannedSession => {
		const fitting = new Set(workersFor(problem, model));
		const offset = gpus.findIndex((_, i) => fitting.has(present(gpus[(position + i) % gpus.length], 'gpu')));
		const gpu = present(gpus[(position + offset) % gpus.length], 'gpu');
		return { gpus: [gpu.id], model, role: 'expert', calls, phase: 0 };
	});
	// Worker by worker, so that a plan reads as the rows of a Gantt chart; within a worker the order of dealing stays.
	const place = new Map(gpus.map((gpu, index) => [gpu.id, index]));
	return dealt
		.map((session, position) => ({
			session,
			position,
			worker: place.get(present(session.gpus[0], 'gpu')) ?? 0,
		}))
		.sort((a, b) => a.worker - b.worker || a.position - b.position)
		.map(({ session }) => session);
}

/** Models named in `options.modelOrder` first, the others as first seen. */
function dealingOrder(problem: Problem): readonly ExpertWork[] {
	const work = expertWork(problem);
	const rank = new Map<ModelId, number>(problem.options.modelOrder.map((model, index) => [model, index]));
	const rankOf = ({ model }: ExpertWork): number => rank.get(model) ?? rank.size;
	return [...work].sort((a, b) => rankOf(a) - rankOf(b));
}
