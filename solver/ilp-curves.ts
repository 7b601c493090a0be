import { assert, present } from '../sim/domain/errors.ts';
import type { Plan, PlannedSession, PlanStatus } from '../sim/domain/plan.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import type { SchedulerDeps } from './deps.ts';
import { placeGreedily } from './greedy-placement.ts';
import { openHighs, type SolverThread } from './ilp/highs.ts';
import { checkCurvePlan, type PlanCurves } from './ilp-curves/check-plan.ts';
import { type Curve, secondsAt } from './ilp-curves/curve.ts';
import { type CurveExpert, type CurveInstance, createCurveInstance } from './ilp-curves/instance.ts';
import type { Shares, WorkerTypes } from './ilp-curves/local-search.ts';
import { fewestSessions, quickBoundSeconds } from './ilp-curves/quick-bound.ts';
import { type SearchResult, searchPlacement } from './ilp-curves/search.ts';
import { runPlan } from './run-plan.ts';
import {
	aggregatorGpus,
	heuristicPlan,
	openEnded,
	reproducibility,
	withAggregatorStage,
} from './static-plan.ts';

/**
 * The paper's placement on real costs, and on more than a few GPUs: a session takes its load and what the engine model says of a session of
 * that size, tail and batching included, instead of a constant time per call; workers that are alike are counted, not listed. Caps on
 * replicas (equation 8) are left out, as the curves say what they guess at; K stays. It starts from greedy and proves how far from the best
 * it can be at most (solver/ilp-curves/search.ts).
 * @param openSolver takes the solver's place in tests
 */
export function createIlpCurves(
	{ clockSeconds }: SchedulerDeps,
	openSolver: () => SolverThread = openHighs,
): Scheduler {
	return {
		name: 'ilp-curves',
		plan: (problem) => planByCurves(problem, clockSeconds, openSolver),
		decide: runPlan,
	};
}

async function planByCurves(
	problem: Problem,
	clockSeconds: () => number,
	openSolver: () => SolverThread,
): Promise<Plan> {
	const startedSeconds = clockSeconds();
	// What cannot run at all is said before anything is solved.
	if (problem.aggregator !== null) aggregatorGpus(problem, problem.aggregator);
	const solver = lazySolver(openSolver);
	try {
		const instance = createCurveInstance(problem);
		if (instance.experts.length === 0) return heuristicPlan('ilp-curves', problem, []);
		const solveStartedSeconds = clockSeconds();
		const types = problem.cluster.gpus.map((gpu) =>
			instance.types.findIndex(({ gpus }) => gpus.includes(gpu)),
		);
		const greedy = greedyShares(instance, types);
		const greedySeconds = longestSeconds(instance, types, greedy);
		const { relativeGap, maxNodes, timeLimitSeconds, chargedSolveSeconds } = problem.options;
		const budget = { relativeGap, maxNodes, timeLimitSeconds, clockSeconds };
		const result = await searchPlacement(instance, types, greedy, solver.solve, budget);
		const endedSeconds = clockSeconds();

		const status = statusOf(result, greedySeconds, relativeGap);
		const details = {
			measuredSolveSeconds: endedSeconds - solveStartedSeconds,
			measuredPlanSeconds: endedSeconds - startedSeconds,
			solver: { name: 'HiGHS', ...result.counts },
			greedySeconds,
			curves: curveTable(instance),
		};
		const plan: Plan = {
			scheduler: 'ilp-curves',
			sessions: withAggregatorStage(problem, sessionsOf(problem, instance, types, result.shares)),
			...openEnded(problem),
			evidence: {
				objectiveSeconds: result.seconds,
				boundSeconds: result.boundSeconds,
				gap: (result.seconds - result.boundSeconds) / result.seconds,
				status,
				solveSeconds: chargedSolveSeconds,
				fallback: status === 'heuristic' ? 'greedy' : null,
				...reproducibility(result.stoppedBy),
			},
			details,
		};
		verify(problem, plan, details);
		return plan;
	} finally {
		await solver.close();
	}
}

/** A thread that starts when it is first needed, which is seldom. */
function lazySolver(openSolver: () => SolverThread): SolverThread {
	let opened: SolverThread | null = null;
	return {
		solve: (request) => {
			opened ??= openSolver();
			return opened.solve(request);
		},
		close: async () => opened?.close(),
	};
}

/** What more of them would gain, the search finds sooner. */
const GREEDY_PLACEMENTS = 24;

function greedyShares(instance: CurveInstance, types: WorkerTypes): Shares {
	const { maxModelsPerWorker } = instance;
	const experts = instance.experts.map((expert) => ({
		...expert,
		cap: types.length,
		costs: types.map((type) => expert.curves[type] ?? null),
	}));
	// With fewer sessions than this no plan is short, so greedy need not try.
	const fewest = fewestSessions(instance, quickBoundSeconds(instance));
	const isRoom = fewest.reduce((sum, count) => sum + count, 0) <= types.length * maxModelsPerWorker;
	const placement = placeGreedily(
		{ experts, workers: types, maxModelsPerWorker },
		({ costs }, worker, calls) => {
			if (calls === 0) return 0;
			const curve = costs[worker] ?? null;
			return curve === null ? Number.POSITIVE_INFINITY : secondsAt(curve, calls);
		},
		isRoom ? fewest : undefined,
		GREEDY_PLACEMENTS,
	);
	return types.map((_, worker) => instance.experts.map((_, m) => placement[m]?.[worker] ?? 0));
}

function longestSeconds({ experts }: CurveInstance, types: WorkerTypes, shares: Shares): number {
	return shares.reduce((longest, row, worker) => {
		const busy = row.reduce((sum, calls, m) => sum + sessionSeconds(experts[m], types[worker], calls), 0);
		return Math.max(longest, busy);
	}, 0);
}

function sessionSeconds(expert: CurveExpert | undefined, type: number | undefined, calls: number): number {
	return calls === 0 ? 0 : secondsAt(present(expert?.curves[type ?? 0], 'curve'), calls);
}

/** Greedy's plan, with nothing better and nothing proven, is greedy's. */
function statusOf(
	{ seconds, boundSeconds }: SearchResult,
	greedySeconds: number,
	relativeGap: number,
): PlanStatus {
	if (seconds - boundSeconds <= relativeGap * seconds) return 'optimal';
	return seconds < greedySeconds * (1 - 1e-9) ? 'feasible' : 'heuristic';
}

/** Worker by worker, the shortest session first, as in the paper's plans: the same wall time, but most answers come early. */
function sessionsOf(
	problem: Problem,
	{ experts }: CurveInstance,
	types: WorkerTypes,
	shares: Shares,
): readonly PlannedSession[] {
	return problem.cluster.gpus.flatMap(({ id }, worker) =>
		experts
			.map((expert, m) => ({ expert, calls: shares[worker]?.[m] ?? 0 }))
			.filter(({ calls }) => calls > 0)
			.map(({ expert, calls }) => ({ expert, calls, seconds: sessionSeconds(expert, types[worker], calls) }))
			.sort((a, b) => a.seconds - b.seconds)
			.map(({ expert, calls }): PlannedSession => {
				return { gpus: [id], model: expert.model, role: 'expert', calls, phase: 0 };
			}),
	);
}

/** Each curve once for each type of GPU. */
function curveTable({ experts, types }: CurveInstance): PlanCurves['curves'] {
	return experts.flatMap(({ model, curves }) => {
		const byType = new Map<string, Curve>();
		types.forEach(({ gpuType }, t) => {
			const curve = curves[t] ?? null;
			if (curve !== null) byType.set(gpuType, curve);
		});
		return [...byType].map(([gpuType, { calls, seconds }]) => ({ model, gpuType, calls, seconds }));
	});
}

/** Holds the finished plan against its limits with code that knows nothing of how it was found. */
function verify(problem: Problem, plan: Plan, curves: PlanCurves): void {
	const { faults, objectiveSeconds } = checkCurvePlan(problem, plan, curves);
	assert(faults.length === 0, `ilp-curves plan breaks its limits: ${faults.join('; ')}`);
	const { objectiveSeconds: promised, boundSeconds } = plan.evidence;
	assert(
		Math.abs(objectiveSeconds - promised) <= 1e-6 * promised,
		`ilp-curves plan promises ${promised} s, its sessions take ${objectiveSeconds} s`,
	);
	assert(
		(boundSeconds ?? 0) <= promised * (1 + 1e-9),
		`ilp-curves plan of ${promised} s is below its bound of ${boundSeconds} s`,
	);
}
