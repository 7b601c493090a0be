import { present, UsageError } from '../../sim/domain/errors.ts';
import type { GpuId, ModelId } from '../../sim/domain/ids.ts';
import type { ModelClass } from '../../sim/domain/model.ts';
import type { PlannedSession } from '../../sim/domain/plan.ts';
import type { PlanOptions, Problem } from '../../sim/domain/scheduler.ts';
import { expertWork, profileOn, workersFor } from '../workers.ts';
import { type ExpertCost, fitExpertCost } from './cost-model.ts';

/** The paper's placement problem as numbers: which models on which workers, and how many calls of each. */
export interface PlacementInstance {
	readonly workers: readonly { readonly gpu: GpuId; readonly gpuType: string }[];
	readonly experts: readonly PlacementExpert[];
	/** K: models one worker may load. */
	readonly maxModelsPerWorker: number;
}

/** A model to be seated, whatever it costs. */
export interface SeatedExpert {
	readonly model: ModelId;
	/** N_m, at least 1. */
	readonly calls: number;
	/** Rmax_m: workers that may load it, at least 1. */
	readonly cap: number;
	/** Per worker; null where the model does not fit. */
	readonly costs: readonly (object | null)[];
}

export interface PlacementExpert extends SeatedExpert {
	readonly costs: readonly (ExpertCost | null)[];
}

/** Calls of expert m on worker n, `calls[m][n]`; 0 means that n does not load m. */
export type Placement = readonly (readonly number[])[];

/**
 * The instance of a problem, with one cost per model and GPU type.
 * @throws UsageError E_MODEL_FITS_NO_GPU, E_TOO_FEW_SEATS
 */
export function createInstance(problem: Problem): PlacementInstance {
	checkSeats(problem);
	const { cluster, options } = problem;
	const workers = cluster.gpus.map(({ id, type }) => ({ gpu: id, gpuType: type }));
	const experts = expertWork(problem).map(({ model, calls }): PlacementExpert => {
		const fitting = new Set(workersFor(problem, model).map(({ id }) => id));
		const byType = new Map<string, ExpertCost>();
		for (const gpu of cluster.gpus) {
			if (!fitting.has(gpu.id) || byType.has(gpu.type)) continue;
			const profile = present(profileOn(problem, model, [gpu]), `profile of ${model}`);
			byType.set(gpu.type, fitExpertCost(problem, profile, calls));
		}
		const costs = cluster.gpus.map((gpu) => (fitting.has(gpu.id) ? (byType.get(gpu.type) ?? null) : null));
		const modelClass = problem.models.find(({ id }) => id === model)?.modelClass ?? 'instruct';
		return { model, calls, cap: replicationCap(costs, modelClass, options.replicationCap), costs };
	});
	return { workers, experts, maxModelsPerWorker: options.maxModelsPerWorker };
}

/**
 * Rmax_m, equation 8: clamp(1, floor(That_m / l_m), N), where N counts the workers that can hold the model. On workers of several types
 * That_m / l_m is their mean. `paper-pin` keeps instruct experts at 1, which is what the paper's plans show and (8) does not say.
 */
export function replicationCap(
	costs: readonly (ExpertCost | null)[],
	modelClass: ModelClass,
	rule: PlanOptions['replicationCap'],
): number {
	if (rule === 'paper-pin' && modelClass === 'instruct') return 1;
	const known = costs.filter((cost) => cost !== null);
	const sum = known.reduce((total, cost) => total + cost.sessionSeconds / cost.loadSeconds, 0);
	return Math.max(1, Math.min(known.length, Math.floor(sum / known.length)));
}

/** Where a model may sit. */
type Fitting = Pick<SeatedExpert, 'costs'>;

/** Whether all experts find a seat: a matching of experts to the K seats of each worker, by augmenting paths. */
export function canSeat(experts: readonly Fitting[], freeSeats: readonly number[]): boolean {
	const seated = freeSeats.map((): Fitting[] => []);
	const seat = (expert: Fitting, tried: Set<number>): boolean => {
		for (let n = 0; n < freeSeats.length; n++) {
			if ((expert.costs[n] ?? null) === null || tried.has(n)) continue;
			tried.add(n);
			const here = present(seated[n], 'worker');
			if (here.length < (freeSeats[n] ?? 0)) {
				here.push(expert);
				return true;
			}
			for (let i = 0; i < here.length; i++)
				if (seat(present(here[i], 'expert'), tried)) {
					here[i] = expert;
					return true;
				}
		}
		return false;
	};
	return experts.every((expert) => seat(expert, new Set()));
}

/**
 * Equations 7 and 9 leave a plan only if every expert gets a seat. We say what is needed and raise nothing silently; no cost is looked at, so
 * it can be asked before planning.
 * @throws UsageError E_MODEL_FITS_NO_GPU, E_TOO_FEW_SEATS
 */
export function checkSeats(problem: Problem): void {
	const workers = problem.cluster.gpus;
	const { maxModelsPerWorker } = problem.options;
	const experts = expertWork(problem).map(({ model }): Fitting => {
		const fitting = new Set(workersFor(problem, model).map(({ id }) => id));
		return { costs: workers.map((gpu) => (fitting.has(gpu.id) ? gpu : null)) };
	});
	const fits = (seats: number): boolean =>
		canSeat(
			experts,
			workers.map(() => seats),
		);
	if (fits(maxModelsPerWorker)) return;
	let needed = Math.ceil(experts.length / workers.length);
	while (!fits(needed)) needed++;
	throw new UsageError(
		'E_TOO_FEW_SEATS',
		`plan.maxModelsPerWorker: expected at least ${needed} to place ${experts.length} models on ${workers.length} ${workers.length === 1 ? 'GPU' : 'GPUs'}, got ${maxModelsPerWorker}`,
	);
}

/** Sessions of a placement, worker by worker. */
export function sessionsOf(instance: PlacementInstance, placement: Placement): readonly PlannedSession[] {
	return instance.workers.flatMap(({ gpu }, n) =>
		instance.experts
			.map((expert, m) => ({ expert, calls: placement[m]?.[n] ?? 0 }))
			.filter(({ calls }) => calls > 0)
			.map(({ expert, calls }) => ({ expert, calls, seconds: linearSeconds(expert, n, calls) }))
			// T_n does not depend on the order. The shortest goes first, so that most answers come early: the same wall time, but a
			// lower median latency, and more finished queries in a run that is interrupted. Equal ones stay in problem order.
			.sort((a, b) => a.seconds - b.seconds)
			.map(({ expert, calls }): PlannedSession => {
				return { gpus: [gpu], model: expert.model, role: 'expert', calls, phase: 0 };
			}),
	);
}

/** Seconds of one session under equation 4: l_m + tau_m x. Infinity where the model does not fit; 0 for no calls. */
export function linearSeconds(expert: PlacementExpert, worker: number, calls: number): number {
	if (calls === 0) return 0;
	const cost = expert.costs[worker] ?? null;
	return cost === null ? Number.POSITIVE_INFINITY : cost.loadSeconds + cost.secondsPerCall * calls;
}

/** Each fitted cost once, not once per worker. */
export const costTable = ({ experts }: PlacementInstance): readonly ExpertCost[] =>
	experts.flatMap(({ costs }) => [...new Set(costs.filter((cost) => cost !== null))]);
