import type { CallId } from '../sim/domain/ids.ts';
import type { Answer, Call, FinishReason } from '../sim/domain/work.ts';

/** What is sent for a call, without model name and streaming: fields of vLLM's `/v1/completions` or `/v1/chat/completions`. */
export interface CallPrompt {
	readonly endpoint: 'completions' | 'chat';
	readonly body: Readonly<Record<string, unknown>>;
	/** Output tokens asked for at most; the executor lowers it to the room that the context leaves. */
	readonly maxTokens: number;
	/** Prompt tokens when they are known without asking the server (token-id prompts); else null. */
	readonly promptTokens: number | null;
}

/** What a server said to a call. Kept in the journal, so that a resumed run knows the experts' words. */
export interface CallReply {
	readonly text: string;
	/** From a reasoning parser; empty without one. */
	readonly reasoningText: string;
	readonly promptTokens: number;
	readonly outputTokens: number;
	readonly cachedPromptTokens: number;
	readonly finishReason: FinishReason;
}

/** What a call has generated so far, and what it takes to have another server go on with it. */
export interface CarriedOutput {
	/** As the server read its prompt: chat template and special tokens included. */
	readonly promptTokenIds: readonly number[];
	readonly tokenIds: readonly number[];
	/** What these tokens say. */
	readonly text: string;
	readonly reasoningText: string;
}

/** Between calls and words: what a call says to its model, and what the model's words mean. One object per run; it keeps experts' replies for the aggregator. */
export interface CallContent {
	prompt(call: Call): CallPrompt;
	/** Takes note of a reply. Also called for each reply of the journal when a run is resumed. Tokens after the reasoning part, at most all output tokens. */
	read(call: Call, reply: CallReply): { readonly answer: Answer; readonly answerTokens: number };
	/** A call that ended without a reply. */
	forget(call: CallId): void;
}
