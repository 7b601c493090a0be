import { createHash, randomBytes } from 'node:crypto';
import { GREEDY_BELOW, type SamplingFields } from './sampling-fields.ts';
import type { OutputWish } from './speech-plan.ts';

/** A request for generation, whichever endpoint it came to. */
export interface GenerationRequest {
	/** `cmpl-...` or `chatcmpl-...`. */
	readonly answerId: string;
	readonly prompts: readonly RequestPrompt[];
	/** Answers to each prompt. */
	readonly n: number;
	/** Lower goes first under the `priority` policy. */
	readonly priority: number;
	/** Prompts share cache only with those of the same salt; empty: none. */
	readonly cacheSalt: string;
	readonly stream: boolean;
	readonly includeUsage: boolean;
	readonly continuousUsage: boolean;
	readonly returnTokenIds: boolean;
	readonly returnPromptText: boolean;
	readonly echo: boolean;
	/** Alternatives shown for each token; null: no log probabilities. */
	readonly logprobs: number | null;
	/** Characters held back at the end of a stream, in which a stop text may begin. */
	readonly heldBackChars: number;
}

export interface RequestPrompt {
	/** What `/abort_requests` calls it. */
	readonly orderId: string;
	readonly tokens: readonly number[];
	readonly text: string;
	readonly wish: OutputWish;
	/** What each answer says follows from its key and the seed. */
	readonly speechKeys: readonly string[];
	/** With echo the answer begins with it. */
	readonly echoText: string;
}

/** What a request is read against. */
export interface RequestContext {
	readonly servedModel: string;
	readonly maxModelLen: number;
	readonly headers: { readonly requestId: string | undefined; readonly priority: string | undefined };
	/** From 1. */
	readonly requestNumber: number;
}

/** The id that a request gives itself, or one at random as vLLM makes them. */
export function requestId(fields: SamplingFields, { headers }: RequestContext): string {
	return headers.requestId ?? fields.requestId ?? randomBytes(8).toString('hex');
}

/** The header wins over the body; one that is no number is ignored. */
export function requestPriority(fields: SamplingFields, { headers }: RequestContext): number {
	const fromHeader = /^\s*[-+]?\d+\s*$/.test(headers.priority ?? '') ? Number(headers.priority) : undefined;
	return fromHeader ?? fields.priority;
}

/**
 * What the words of `n` answers to one prompt hang on: its tokens where the client asked for the same words each time (temperature 0, or a seed), else
 * the request's own id, or its number when it has none.
 */
export function speechKeys(
	fields: SamplingFields,
	{ headers, requestNumber }: RequestContext,
	tokens: readonly number[],
	promptIndex: number,
): readonly string[] {
	const isGreedy = fields.temperature < GREEDY_BELOW;
	const id = headers.requestId ?? fields.requestId ?? `#${requestNumber}`;
	const key =
		isGreedy || fields.seed !== undefined
			? `${isGreedy ? 'greedy' : fields.seed}/${digest(tokens)}`
			: `${id}/${promptIndex}`;
	return Array.from({ length: fields.n }, (_, choice) => (choice === 0 ? key : `${key}/${choice}`));
}

const digest = (tokens: readonly number[]): string =>
	createHash('sha1').update(Int32Array.from(tokens)).digest('hex');
