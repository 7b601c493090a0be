import type { CallId, QueryId } from './ids.ts';
import type { Answer } from './work.ts';

/**
 * What only the world knows. Executors read it; schedulers, plans and views never do
 * (test/house.test.ts bans this file from solver/).
 */
export interface CallTruth {
	/** Tokens it produces unless cut earlier. */
	readonly outputTokens: number;
	/** Tokens after the reasoning part. */
	readonly answerTokens: number;
	readonly answer: Answer;
	/** True when it ran into its output limit. */
	readonly truncated: boolean;
}

export interface QueryTruth {
	readonly correctAnswer: string;
	/** Output tokens of this query's aggregator call, should it be made. */
	readonly aggregatorOutputTokens: number;
	/**
	 * The aggregator's answer given the experts' answers (slot order). Pure: the random part was drawn when the
	 * workload was generated, so the same answers always get the same reply.
	 */
	aggregatorAnswer(answers: readonly Answer[]): Answer;
}

export interface Truth {
	call(id: CallId): CallTruth;
	query(id: QueryId): QueryTruth;
}
