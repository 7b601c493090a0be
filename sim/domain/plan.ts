import type { GpuId, ModelId } from './ids.ts';
import type { CallRole } from './work.ts';

/** One engine session: load a model on a worker, serve a share of its calls. */
export interface PlannedSession {
	/** The worker: one GPU, or a group for tensor parallelism. */
	readonly gpus: readonly GpuId[];
	readonly model: ModelId;
	readonly role: CallRole;
	/** Share of the model's calls in this role. Aggregator sessions may say `null`: as many as the gates leave. */
	readonly calls: number | null;
	/**
	 * Sessions of phase p start only when all sessions of lower phases have ended everywhere.
	 * Within a phase a worker runs its sessions in the order of the plan.
	 */
	readonly phase: number;
}

/** `optimal` within the gap asked for, `feasible` with a gap, `heuristic` when nothing proves it, `none` when there was nothing to plan. */
export type PlanStatus = 'optimal' | 'feasible' | 'heuristic' | 'none';

export interface PlanEvidence {
	/** Expert-stage seconds the plan promises by its own cost model. */
	readonly objectiveSeconds: number;
	/** Proven lower bound on that objective over all plans of the same formulation; null when the policy proves none. */
	readonly boundSeconds: number | null;
	/** (objective - bound) / objective; null without a bound. */
	readonly gap: number | null;
	readonly status: PlanStatus;
	/** Planning time charged to the run: configured, so that a run is reproducible. */
	readonly solveSeconds: number;
	/** Name of the policy that stepped in when the solver found nothing, else null. */
	readonly fallback: string | null;
	/** False when a time limit stopped the solver, or it broke, so that another machine may get another plan. */
	readonly reproducible: boolean;
	/** Which of the two it was; absent where the plan is reproducible. */
	readonly stoppedBy?: 'time' | 'failed';
}

export interface Plan {
	readonly scheduler: string;
	/** It has no sessions: the policy decides as it goes. */
	readonly dynamic?: true;
	readonly sessions: readonly PlannedSession[];
	/**
	 * Made while queries were still to come: sessions say which models have a place where, and in what proportion their calls are shared
	 * out; they take turns on their GPUs for as long as queries come, and phases hold nothing back. Absent: they run once, in order.
	 */
	readonly openEnded?: true;
	/** Plans of the same run before this one; absent in the first. Set by the controller. */
	readonly revision?: number;
	readonly evidence: PlanEvidence;
	/** What the policy decides by besides the sessions, for itself. JSON values only. */
	readonly memory?: Readonly<Record<string, unknown>>;
	/** Anything else worth keeping in plan.json: fitted costs, caps, solver counters. JSON values only. */
	readonly details: Readonly<Record<string, unknown>>;
}
