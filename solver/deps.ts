import type { Call } from '../sim/domain/work.ts';

/** What a policy may ask of the outside. */
export interface SchedulerDeps {
	/** Wall clock in seconds, for measured solve time in `Plan.details` only; no decision depends on it. */
	readonly clockSeconds: () => number;
	/** Given to policies that say `knowsLengths`, and to no other. */
	readonly trueOutputTokens?: TrueOutputTokens;
}

/** Tokens that a call generates when nothing cuts it, before anybody could know. */
export type TrueOutputTokens = (call: Pick<Call, 'id' | 'query' | 'role'>) => number;
