import type { MipModel } from './mip-model.ts';

/** When to stop. Gap and nodes give the same answer everywhere; the time limit is there so that it ends. */
export interface MipLimits {
	/** (objective - bound) / objective. */
	readonly relativeGap: number;
	readonly maxNodes: number;
	readonly timeLimitSeconds: number;
}

export interface MipRequest {
	readonly mip: MipModel;
	/** A feasible point to start from, one value per column. */
	readonly start: Float64Array | null;
	readonly limits: MipLimits;
	/** No effort is spent on finding good points: the caller has better ways. */
	readonly proofOnly?: true;
}

export interface MipResult {
	/**
	 * `gap`: solved within the gap asked for; `nodes`, `time`: stopped by that limit; `infeasible`: proven to have no solution;
	 * `failed`: the solver broke, was killed, or said something else (`message`).
	 */
	readonly stoppedBy: 'gap' | 'nodes' | 'time' | 'infeasible' | 'failed';
	/** Best point found, one value per column, not rounded; null when there is none. */
	readonly values: Float64Array | null;
	/** Proven lower bound on the objective; null when there is none. */
	readonly bound: number | null;
	/** Branch-and-bound nodes. */
	readonly nodes: number;
	readonly message: string;
}

export type SolveMip = (request: MipRequest) => Promise<MipResult>;

export const failedSolve = (message: string): MipResult => ({
	stoppedBy: 'failed',
	values: null,
	bound: null,
	nodes: 0,
	message,
});
