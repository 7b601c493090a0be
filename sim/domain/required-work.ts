import type { CallId, ModelId, QueryId } from './ids.ts';
import type { TimeUs } from './units.ts';
import type { CallRole } from './work.ts';

/** A call that has to be carried out, with the length that it really has. */
export interface RequiredCall {
	readonly call: CallId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly promptTokens: number;
	/** At least 1. */
	readonly outputTokens: number;
}

/** Calls that settle a query together: experts, then the aggregator if it is one of them. */
export type Way = readonly RequiredCall[];

/** What a query costs at least: every schedule carries out one of its ways, or more. */
export interface RequiredWork {
	readonly query: QueryId;
	readonly arrivalUs: TimeUs;
	/** At least one. A call that stands in several has the same id in all of them, though it may be cut, or read more, in one of them. */
	readonly ways: readonly Way[];
}
