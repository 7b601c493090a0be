import { assert } from '../sim/domain/errors.ts';
import type { Plan } from '../sim/domain/plan.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import { placeGreedily, type SessionSeconds } from './greedy-placement.ts';
import { checkPlan } from './ilp/check-plan.ts';
import type { ExpertCost, SweepPoint } from './ilp/cost-model.ts';
import { costTable, createInstance, type PlacementExpert, sessionsOf } from './ilp/instance.ts';
import { runPlan } from './run-plan.ts';
import { heuristicPlan } from './static-plan.ts';

/**
 * Longest expected work first: sessions as the engine model forecasts them, loads included, split among GPUs under the same caps and K as
 * the ILP. Unlike the ILP it sees that a part of a session takes longer than its share of the whole.
 * @param place takes the placement's place in tests
 */
export function createGreedy(place: typeof placeGreedily = placeGreedily): Scheduler {
	return {
		name: 'greedy',
		plan: async (problem) => {
			const instance = createInstance(problem);
			const placement = place(instance, forecastSession);
			const caps = instance.experts.map(({ model, cap }) => ({ model, cap }));
			const plan = heuristicPlan('greedy', problem, sessionsOf(instance, placement), { caps });
			verify(problem, plan, costTable(instance));
			return plan;
		},
		decide: runPlan,
	};
}

/** The limits of the ILP hold for greedy too, and its own code is not what says that it keeps them. What its sessions take, it reckons otherwise. */
function verify(problem: Problem, plan: Plan, costs: readonly ExpertCost[]): void {
	const { faults } = checkPlan(problem, plan, { costs });
	assert(faults.length === 0, `greedy plan breaks its limits: ${faults.join('; ')}`);
}

/** Load plus the sweep's generation time, straight lines between its points. */
const forecastSession: SessionSeconds<PlacementExpert> = (expert, worker, calls) => {
	if (calls === 0) return 0;
	const cost = expert.costs[worker] ?? null;
	return cost === null ? Number.POSITIVE_INFINITY : cost.loadSeconds + sweepSeconds(cost.sweep, calls);
};

/**
 * Generation seconds of `calls` calls. Below the smallest session of the sweep it promises nothing shorter than that one: its tail does
 * not shrink with the count. Never decreasing, although the sweep's sessions are draws and may be.
 */
function sweepSeconds(sweep: readonly SweepPoint[], calls: number): number {
	let below = { calls: 0, seconds: 0 };
	for (const point of sweep) {
		const seconds = Math.max(below.seconds, point.seconds);
		if (calls <= point.calls) {
			if (below.calls === 0) return seconds;
			const part = (calls - below.calls) / (point.calls - below.calls);
			return below.seconds + (seconds - below.seconds) * part;
		}
		below = { calls: point.calls, seconds };
	}
	// Beyond the last point (a sweep that stops short of all calls) time grows as it did on average.
	return (below.seconds * calls) / below.calls;
}
