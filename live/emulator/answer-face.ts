/** What identifies an answer. */
export interface AnswerHead {
	readonly id: string;
	/** Seconds since 1970. */
	readonly created: number;
	readonly model: string;
	readonly fingerprint: string;
}

export interface Usage {
	readonly promptTokens: number;
	readonly completionTokens: number;
}

/** Prompt tokens that were found in the cache, and that went into it. */
export interface CacheUse {
	readonly cachedTokens: number;
	readonly createdTokens: number;
}

/** A piece of one choice, or all of it. */
export interface ChoicePiece {
	readonly index: number;
	readonly text: string;
	readonly tokens: readonly number[];
	/** Output tokens of the choice before these. */
	readonly tokensBefore: number;
	readonly finishReason: string | null;
	readonly stopReason: string | number | null;
	/** Shown with the first piece of a choice, when token ids are asked for. */
	readonly promptTokens: readonly number[] | null;
}

/** How much of an answer is shown. */
export interface AnswerOptions {
	readonly returnTokenIds: boolean;
	/** Alternatives to each token; null: no log probabilities. */
	readonly logprobs: number | null;
	/** Rendered prompt, when asked for. */
	readonly promptText: string | null;
}

/** How an endpoint writes its answers. Keys and their order are those of vLLM 0.32. */
export interface AnswerFace {
	/** Before the first piece of a stream, one per choice. */
	opening(
		head: AnswerHead,
		index: number,
		promptTokens: readonly number[] | null,
		options: AnswerOptions,
		usage: Usage | null,
	): object | null;
	/** @param isLast no usage follows, so it carries the fingerprint */
	chunk(
		head: AnswerHead,
		piece: ChoicePiece,
		options: AnswerOptions,
		usage: Usage | null,
		isLast: boolean,
	): object;
	/** The last chunk of a stream, when usage is asked for. */
	usageChunk(head: AnswerHead, usage: Usage, cache: CacheUse, metrics: object | null): object;
	/** An answer in one piece. */
	whole(
		head: AnswerHead,
		pieces: readonly ChoicePiece[],
		options: AnswerOptions,
		usage: Usage,
		cache: CacheUse,
		metrics: object | null,
	): object;
}

export const usageFields = ({ promptTokens, completionTokens }: Usage): object => ({
	prompt_tokens: promptTokens,
	total_tokens: promptTokens + completionTokens,
	completion_tokens: completionTokens,
});
