import type { GpuId, ModelId } from '../domain/ids.ts';
import type { Plan, PlanEvidence } from '../domain/plan.ts';
import type { CallRole } from '../domain/work.ts';

/** plan.json, and `plan --json`. */
export interface PlanDocument extends PlanEvidence {
	readonly format: 1;
	readonly scheduler: string;
	/** What planning really took here; solveSeconds is what the run is charged. */
	readonly measuredSolveSeconds: number;
	/** One per planned engine session, in plan order. */
	readonly replicas: readonly PlannedReplica[];
	readonly details: Plan['details'];
	/** How long the expected calls keep all GPUs busy at least: of `plan` only. */
	readonly expectedBoundSeconds?: number;
}

export interface PlannedReplica {
	/** GPUs joined with '+'. */
	readonly worker: string;
	readonly model: ModelId;
	/** Null: as many as the gates leave. */
	readonly calls: number | null;
	readonly role: CallRole;
	readonly phase: number;
	readonly gpus: readonly GpuId[];
}

export function planDocument(plan: Plan, measuredSolveSeconds: number): PlanDocument {
	return {
		format: 1,
		scheduler: plan.scheduler,
		...plan.evidence,
		measuredSolveSeconds,
		replicas: plan.sessions.map(({ gpus, model, calls, role, phase }) => ({
			worker: gpus.join('+'),
			model,
			calls,
			role,
			phase,
			gpus,
		})),
		details: plan.details,
	};
}
