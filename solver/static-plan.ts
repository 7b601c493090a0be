import { present } from '../sim/domain/errors.ts';
import type { Gpu } from '../sim/domain/model.ts';
import type { Plan, PlanEvidence, PlannedSession } from '../sim/domain/plan.ts';
import type { AggregatorSpec, Problem } from '../sim/domain/scheduler.ts';
import type { MipResult } from './ilp/mip.ts';
import { fitsNowhere, groupFor, profileOn, sessionSeconds } from './workers.ts';

/**
 * Appends the aggregator stage as in the paper: one engine of the aggregator's model over the first GPUs that can hold it, after all
 * expert sessions have ended, for as many calls as the gates leave.
 * @throws UsageError E_MODEL_FITS_NO_GPU when no group of GPUs can hold it
 */
export function withAggregatorStage(
	problem: Problem,
	experts: readonly PlannedSession[],
): readonly PlannedSession[] {
	const { aggregator, queries, future } = problem;
	if (aggregator === null || queries.length + (future?.count ?? 0) === 0) return experts;
	const gpus = aggregatorGpus(problem, aggregator).map(({ id }) => id);
	const phase = 1 + experts.reduce((last, session) => Math.max(last, session.phase), -1);
	return [...experts, { gpus, model: aggregator.model, role: 'aggregator', calls: null, phase }];
}

/** @throws UsageError E_MODEL_FITS_NO_GPU */
export function aggregatorGpus(problem: Problem, { model, tensorParallel }: AggregatorSpec): readonly Gpu[] {
	const gpus = groupFor(problem, model, tensorParallel);
	if (gpus !== undefined) return gpus;
	throw fitsNowhere(problem, model, `on ${tensorParallel} GPUs (aggregator.tensorParallel)`);
}

/** Plan of a policy that proves nothing: its objective is what the engine model forecasts for its sessions. */
export function heuristicPlan(
	scheduler: string,
	problem: Problem,
	experts: readonly PlannedSession[],
	details: Readonly<Record<string, unknown>> = {},
): Plan {
	return {
		scheduler,
		sessions: withAggregatorStage(problem, experts),
		...openEnded(problem),
		evidence: unprovenEvidence(
			forecastSeconds(problem, experts),
			experts.length === 0 ? 'none' : 'heuristic',
		),
		details,
	};
}

/** For a plan that is carried out by `runPlan`: what it must say where queries come over time. */
export const openEnded = ({ future }: Problem): Pick<Plan, 'openEnded'> =>
	future === null ? {} : { openEnded: true };

/** Evidence of rules of thumb: no bound, and no planning time is charged for arithmetic that takes milliseconds. */
export const unprovenEvidence = (objectiveSeconds: number, status: 'heuristic' | 'none'): PlanEvidence => ({
	objectiveSeconds,
	boundSeconds: null,
	gap: null,
	status,
	solveSeconds: 0,
	fallback: null,
	reproducible: true,
});

/** What evidence says of a solver that was stopped so: gap and nodes are the same everywhere, the clock and a breakdown are not. */
export const reproducibility = (
	stoppedBy: MipResult['stoppedBy'] | null,
): Pick<PlanEvidence, 'reproducible' | 'stoppedBy'> =>
	stoppedBy === 'time' || stoppedBy === 'failed'
		? { reproducible: false, stoppedBy }
		: { reproducible: true };

/** Expert-stage seconds by the engine model: phases one after another, in each the busiest GPU's sessions. */
export function forecastSeconds(problem: Problem, sessions: readonly PlannedSession[]): number {
	const gpus = new Map(problem.cluster.gpus.map((gpu) => [gpu.id, gpu]));
	const phases = [...new Set(sessions.map(({ phase }) => phase))].sort((a, b) => a - b);
	let startSeconds = 0;
	for (const phase of phases) {
		const busyUntil = new Map<string, number>();
		for (const session of sessions.filter((candidate) => candidate.phase === phase)) {
			const worker = session.gpus.map((id) => present(gpus.get(id), `gpu ${id}`));
			const profile = present(profileOn(problem, session.model, worker), `profile of ${session.model}`);
			const free = Math.max(...session.gpus.map((id) => busyUntil.get(id) ?? startSeconds));
			const end = free + sessionSeconds(problem, profile, session.role, session.calls ?? 0);
			for (const id of session.gpus) busyUntil.set(id, end);
		}
		startSeconds = Math.max(startSeconds, ...busyUntil.values());
	}
	return startSeconds;
}
