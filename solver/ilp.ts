import { assert } from '../sim/domain/errors.ts';
import type { Plan, PlanEvidence } from '../sim/domain/plan.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import type { SchedulerDeps } from './deps.ts';
import { makespanSeconds, placeGreedily } from './greedy-placement.ts';
import { checkPlan } from './ilp/check-plan.ts';
import type { ExpertCost } from './ilp/cost-model.ts';
import { decodePlacement } from './ilp/decode.ts';
import { columnValues, formulate, placementBoundSeconds } from './ilp/formulate.ts';
import { solveWithHighs } from './ilp/highs.ts';
import {
	costTable,
	createInstance,
	linearSeconds,
	type Placement,
	type PlacementInstance,
	sessionsOf,
} from './ilp/instance.ts';
import type { MipResult, SolveMip } from './ilp/mip.ts';
import { runPlan } from './run-plan.ts';
import {
	aggregatorGpus,
	heuristicPlan,
	openEnded,
	reproducibility,
	withAggregatorStage,
} from './static-plan.ts';

/**
 * The paper's scheduler: placement and prompt split as one integer program (equations 4 to 10), solved by HiGHS from a greedy start. Where
 * the solver finds nothing better within its budget the greedy placement is carried out, and the evidence says so.
 * @param solve takes the solver's place in tests
 */
export function createIlp({ clockSeconds }: SchedulerDeps, solve: SolveMip = solveWithHighs): Scheduler {
	return {
		name: 'ilp',
		plan: (problem) => planByIlp(problem, clockSeconds, solve),
		decide: runPlan,
	};
}

async function planByIlp(problem: Problem, clockSeconds: () => number, solve: SolveMip): Promise<Plan> {
	const startedSeconds = clockSeconds();
	// What cannot run at all is said before anything is solved.
	if (problem.aggregator !== null) aggregatorGpus(problem, problem.aggregator);
	const instance = createInstance(problem);
	if (instance.experts.length === 0) return heuristicPlan('ilp', problem, []);
	const boundSeconds = placementBoundSeconds(instance);
	const greedy = placeGreedily(instance, linearSeconds);
	const greedySeconds = makespanSeconds(instance, greedy, linearSeconds);
	const formulation = formulate(instance, boundSeconds);
	const { relativeGap, maxNodes, timeLimitSeconds, chargedSolveSeconds } = problem.options;
	const solveStartedSeconds = clockSeconds();
	const result = await solve({
		mip: formulation.mip,
		start: columnValues(formulation, greedy, greedySeconds),
		limits: { relativeGap, maxNodes, timeLimitSeconds },
	});
	const endedSeconds = clockSeconds();
	assert(
		result.stoppedBy !== 'infeasible',
		'the placement program has a greedy solution, but HiGHS finds none',
	);

	const found = result.values === null ? null : decodePlacement(formulation, result.values);
	const choice = chooseBest(instance, found, greedy, result);
	const bestBoundSeconds = Math.min(choice.seconds, Math.max(boundSeconds, result.bound ?? 0));
	const evidence: PlanEvidence = {
		objectiveSeconds: choice.seconds,
		boundSeconds: bestBoundSeconds,
		gap: (choice.seconds - bestBoundSeconds) / choice.seconds,
		status: choice.status,
		solveSeconds: chargedSolveSeconds,
		fallback: choice.status === 'heuristic' ? 'greedy' : null,
		...reproducibility(result.stoppedBy),
	};
	const details = {
		measuredSolveSeconds: endedSeconds - solveStartedSeconds,
		measuredPlanSeconds: endedSeconds - startedSeconds,
		solver: { name: 'HiGHS', stoppedBy: result.stoppedBy, nodes: result.nodes, message: result.message },
		greedySeconds,
		columns: formulation.columnNames.length,
		rows: formulation.rowNames.length,
		caps: instance.experts.map(({ model, calls, cap }) => ({ model, calls, cap })),
		costs: costTable(instance),
	};
	const sessions = withAggregatorStage(problem, sessionsOf(instance, choice.placement));
	const plan: Plan = { scheduler: 'ilp', sessions, ...openEnded(problem), evidence, details };
	verify(problem, plan, details);
	return plan;
}

interface Choice {
	readonly placement: Placement;
	readonly seconds: number;
	readonly status: 'optimal' | 'feasible' | 'heuristic';
}

/** The solver's placement; greedy's where the solver ended early with nothing better. */
function chooseBest(
	instance: PlacementInstance,
	found: Placement | null,
	greedy: Placement,
	result: MipResult,
): Choice {
	const greedySeconds = makespanSeconds(instance, greedy, linearSeconds);
	const foundSeconds =
		found === null ? Number.POSITIVE_INFINITY : makespanSeconds(instance, found, linearSeconds);
	if (found !== null && result.stoppedBy === 'gap')
		return { placement: found, seconds: foundSeconds, status: 'optimal' };
	// Better by more than the solver's tolerance: it hands the start back with rounding on it.
	if (found !== null && foundSeconds < greedySeconds * (1 - 1e-9))
		return { placement: found, seconds: foundSeconds, status: 'feasible' };
	return { placement: greedy, seconds: greedySeconds, status: 'heuristic' };
}

/** Holds the finished plan against the paper's limits with code that knows nothing of the formulation. */
function verify(problem: Problem, plan: Plan, details: { readonly costs: readonly ExpertCost[] }): void {
	const { faults, objectiveSeconds } = checkPlan(problem, plan, details);
	assert(faults.length === 0, `ILP plan breaks its limits: ${faults.join('; ')}`);
	const promised = plan.evidence.objectiveSeconds;
	assert(
		Math.abs(objectiveSeconds - promised) <= 1e-6 * promised,
		`ILP plan promises ${promised} s, its sessions take ${objectiveSeconds} s`,
	);
}
