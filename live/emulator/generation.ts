import type { ApiError } from './api-error.ts';
import type { RequestTimes } from './request-metrics.ts';
import type { SpeechPlan } from './speech-plan.ts';

/** One output to be generated. */
export interface GenerationOrder {
	/** As `/abort_requests` knows it, and the id of the answer it belongs to. */
	readonly id: string;
	readonly answerId: string;
	readonly promptTokens: readonly number[];
	readonly cacheSalt: string;
	readonly priority: number;
	readonly maxTokens: number;
	readonly plan: SpeechPlan;
}

export type GenerationEnd =
	| {
			readonly kind: 'ended';
			readonly reason: 'stop' | 'length' | 'abort';
			readonly tokenCount: number;
			readonly cachedPromptTokens: number;
			/** Null for a request that was aborted. */
			readonly times: RequestTimes | null;
	  }
	| { readonly kind: 'failed'; readonly error: ApiError };

export interface GenerationSink {
	/** Wants tokens as they come, else only the end. */
	readonly isStreamed: boolean;
	onTokens(tokenCount: number): void;
	/** Once, and nothing after it. */
	onEnd(end: GenerationEnd): void;
}
