import { createParser } from 'eventsource-parser';
import type { FinishReason } from '../../sim/domain/work.ts';
import { eventFailure, ServerFailure } from './failure.ts';

/** What a stream brought in all. */
export interface StreamedAnswer {
	readonly text: string;
	/** From a reasoning parser; empty without one. */
	readonly reasoningText: string;
	readonly promptTokens: number;
	readonly cachedPromptTokens: number;
	readonly outputTokens: number;
	readonly finishReason: FinishReason;
	/** Between arrival and first step, where the server tells (`--enable-per-request-metrics`); else null. */
	readonly queueMs: number | null;
}

/** What a stream has brought as far as its words go: tokens whose characters are not complete are left out. */
export interface AnswerSoFar {
	/** Null where the server did not tell it: that takes `return_token_ids`, and a vLLM that knows it. */
	readonly promptTokenIds: readonly number[] | null;
	/** Null where it does not tell them all. */
	readonly tokenIds: readonly number[] | null;
	readonly text: string;
	readonly reasoningText: string;
	/** Null while there is more to come; else only the account of it may be missing. */
	readonly finish: FinishReason | null;
}

/** Reads the event stream of `/v1/completions` or `/v1/chat/completions` with one choice. */
export class AnswerReader {
	/** Tokens so far: as the server counts them with `continuous_usage_stats`, else one a chunk. */
	outputTokens = 0;
	private readonly decoder = new TextDecoder();
	private readonly parser = createParser({ onEvent: ({ data }) => this.event(data) });
	private readonly onTokens: (outputTokens: number) => void;
	private text = '';
	private reasoningText = '';
	private finish: string | null = null;
	private usage: Usage | null = null;
	private queueMs: number | null = null;
	private done = false;
	private promptTokenIds: readonly number[] | null = null;
	private readonly tokenIds: number[] = [];
	/** Tokens by the last chunk that had words. */
	private spokenTokens = 0;

	/** @param onTokens called for every chunk that came with tokens; with 0 when a first empty chunk tells that they begin */
	constructor(onTokens: (outputTokens: number) => void) {
		this.onTokens = onTokens;
	}

	/** @throws ServerFailure for an error event, an aborted answer and what is no stream of vLLM's */
	feed(bytes: Uint8Array): void {
		this.parser.feed(this.decoder.decode(bytes, { stream: true }));
	}

	/**
	 * After the last byte.
	 * @throws ServerFailure when the stream ended before the answer did, or did not say how long it was
	 */
	end(): StreamedAnswer {
		if (this.finish === null || !this.done)
			throw new ServerFailure(
				'cut-short',
				`the stream ended after ${this.outputTokens} tokens without its end`,
			);
		const { usage } = this;
		if (usage === null)
			throw new ServerFailure('not-vllm', 'the stream ended without saying how many tokens it had');
		return {
			text: this.text,
			reasoningText: this.reasoningText,
			promptTokens: usage.prompt_tokens,
			cachedPromptTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
			outputTokens: usage.completion_tokens,
			finishReason: finishReason(this.finish),
			queueMs: this.queueMs,
		};
	}

	soFar(): AnswerSoFar {
		const { tokenIds, promptTokenIds, text, reasoningText, outputTokens, spokenTokens } = this;
		return {
			promptTokenIds,
			tokenIds: tokenIds.length === outputTokens ? tokenIds.slice(0, spokenTokens) : null,
			text,
			reasoningText,
			finish: this.finish === null ? null : finishReason(this.finish),
		};
	}

	private event(data: string): void {
		if (data === '[DONE]') {
			this.done = true;
			return;
		}
		const chunk = parseChunk(data);
		if (chunk.error !== undefined && chunk.error !== null) throw eventFailure(chunk.error);
		if (isUsage(chunk.usage)) this.usage = chunk.usage;
		this.queueMs = chunk.metrics?.queue_time_ms ?? this.queueMs;
		const choice = chunk.choices?.[0];
		// A chat tells the prompt beside its choices, a completion inside.
		this.promptTokenIds ??= chunk.prompt_token_ids ?? choice?.prompt_token_ids ?? null;
		if (choice !== undefined) this.choice(choice, chunk.usage);
	}

	private choice(choice: Choice, usage: Usage | null | undefined): void {
		const { text = '', delta, finish_reason } = choice;
		const reasoning = delta?.reasoning ?? delta?.reasoning_content ?? '';
		const words = text === null ? '' : text + (delta?.content ?? '');
		this.text += words;
		this.reasoningText += reasoning;
		if (choice.token_ids) this.tokenIds.push(...choice.token_ids);
		if (words + reasoning !== '') this.spokenTokens = this.tokenIds.length;
		if (isUsage(usage)) this.outputTokens = usage.completion_tokens;
		// Without running counts: a chat opens with an empty chunk that holds the role and no token, and ends with one that does.
		else if (delta === undefined || words + reasoning !== '' || finish_reason) this.outputTokens++;
		this.onTokens(this.outputTokens);
		if (typeof finish_reason !== 'string') return;
		if (ABANDONED.has(finish_reason))
			throw new ServerFailure(
				'error-event',
				`the server gave the request up (finish_reason ${finish_reason})`,
			);
		this.finish = finish_reason;
	}
}

const finishReason = (finish: string): FinishReason => (finish === 'length' ? 'length' : 'stop');

/** Ends that are the server's and not the model's: put to sleep, shut down, or broken. */
const ABANDONED: ReadonlySet<string> = new Set(['abort', 'error']);

interface Usage {
	readonly prompt_tokens: number;
	readonly completion_tokens: number;
	readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
}

interface Choice {
	readonly text?: string | null;
	readonly delta?: {
		readonly content?: string | null;
		readonly reasoning?: string | null;
		readonly reasoning_content?: string | null;
	};
	readonly finish_reason?: string | null;
	readonly prompt_token_ids?: readonly number[] | null;
	readonly token_ids?: readonly number[] | null;
}

interface Chunk {
	readonly choices?: readonly Choice[];
	readonly usage?: Usage | null;
	readonly error?: unknown;
	readonly prompt_token_ids?: readonly number[] | null;
	readonly metrics?: { readonly queue_time_ms?: number | null } | null;
}

function parseChunk(data: string): Chunk {
	let chunk: unknown;
	try {
		chunk = JSON.parse(data);
	} catch {
		chunk = null;
	}
	if (typeof chunk === 'object' && chunk !== null) return chunk;
	throw new ServerFailure(
		'not-vllm',
		`expected JSON in the stream, got ${JSON.stringify(data.slice(0, 80))}`,
	);
}

const isUsage = (usage: Usage | null | undefined): usage is Usage =>
	usage !== undefined &&
	usage !== null &&
	Number.isSafeInteger(usage.prompt_tokens) &&
	Number.isSafeInteger(usage.completion_tokens);
