import { badRequest, notEmulated } from './api-error.ts';
import type { OutputWish, SpeechScript } from './speech-plan.ts';
import { EOS_TOKEN, VOCABULARY_SIZE } from './tokenizer.ts';
import { FieldReader, isObject } from './validation.ts';

/** What both generation endpoints take, checked as vLLM checks it. */
export interface SamplingFields {
	readonly model: string | undefined;
	readonly requestId: string | undefined;
	readonly n: number;
	readonly temperature: number;
	readonly seed: number | undefined;
	readonly priority: number;
	readonly cacheSalt: string;
	readonly stream: boolean;
	readonly includeUsage: boolean;
	readonly continuousUsage: boolean;
	readonly returnTokenIds: boolean;
	readonly echo: boolean;
	/** All that ends an output but its limit. */
	readonly wish: Omit<OutputWish, 'maxTokens'>;
	readonly heldBackChars: number;
}

/**
 * Reads the fields into `reader`'s issues; the caller checks these before it goes on.
 * @throws ApiError for what vLLM looks at before the types of fields
 */
export function readSamplingFields(reader: FieldReader): SamplingFields {
	const streamOptions = reader.raw('stream_options');
	if (isObject(streamOptions) && !reader.raw('stream'))
		throw badRequest('Stream options can only be defined when `stream=True`.', 'stream_options');
	checkCacheSalt(reader.raw('cache_salt'));
	for (const [field, what] of NOT_EMULATED) if (isAsked(reader.raw(field))) throw notEmulated(what);

	const stop = reader.texts('stop');
	const includeStopText = reader.flag('include_stop_str_in_output') ?? false;
	const options = new FieldReader(isObject(streamOptions) ? streamOptions : {}, 'body.stream_options');
	const includeUsage = options.flag('include_usage') ?? false;
	const fields: SamplingFields = {
		model: reader.text('model'),
		requestId: reader.text('request_id'),
		n: reader.whole('n') ?? 1,
		temperature: reader.number('temperature') ?? 1,
		seed: reader.whole('seed'),
		priority: reader.whole('priority') ?? 0,
		cacheSalt: reader.text('cache_salt') ?? '',
		stream: reader.flag('stream') ?? false,
		includeUsage,
		continuousUsage: includeUsage && (options.flag('continuous_usage_stats') ?? false),
		returnTokenIds: reader.flag('return_token_ids') ?? false,
		echo: reader.flag('echo') ?? false,
		wish: {
			minTokens: reader.whole('min_tokens') ?? 0,
			ignoreEos: reader.flag('ignore_eos') ?? false,
			stop,
			stopTokenIds: reader.wholes('stop_token_ids'),
			includeStopText,
			onlyToken: onlyToken(reader.object('logit_bias')),
			script: readScript(reader.object('mosaic')),
		},
		heldBackChars: includeStopText ? 0 : Math.max(0, ...stop.map((text) => text.length - 1)),
	};
	for (const name of ['top_p', 'presence_penalty', 'frequency_penalty', 'min_p', 'repetition_penalty'])
		reader.number(name);
	reader.issues.push(...options.issues);
	return fields;
}

/**
 * Checks values and how they go together, as vLLM does once it knows the room that the prompt leaves.
 * @throws ApiError
 */
export function checkSampling(fields: SamplingFields, reader: FieldReader, maxTokens: number): void {
	const { n, temperature, wish } = fields;
	if (n < 1) throw badRequest(`n must be at least 1, got ${n}.`);
	between('presence_penalty', reader, -2, 2);
	between('frequency_penalty', reader, -2, 2);
	if (temperature < 0) throw aboutNumber('temperature', 'must be non-negative', temperature);
	if (temperature > 2) throw aboutNumber('temperature', 'must be in [0, 2]', temperature);
	const topP = reader.number('top_p') ?? 1;
	if (!(topP > 0 && topP <= 1)) throw aboutNumber('top_p', 'must be in (0, 1]', topP);
	if (maxTokens < 1)
		throw badRequest(`max_tokens must be at least 1, got ${maxTokens}.`, 'max_tokens', maxTokens);
	const { minTokens, stop, stopTokenIds } = wish;
	if (minTokens < 0) throw badRequest(`min_tokens must be greater than or equal to 0, got ${minTokens}.`);
	if (minTokens > maxTokens)
		throw badRequest(`min_tokens must be less than or equal to max_tokens=${maxTokens}, got ${minTokens}.`);
	if (stop.includes('')) throw badRequest('stop cannot contain an empty string.');
	if (n > 1 && temperature < GREEDY_BELOW)
		throw badRequest(`n must be 1 when using greedy sampling, got ${n}.`);
	const strange = stopTokenIds.filter((id) => id < 0 || id >= VOCABULARY_SIZE);
	if (strange.length > 0)
		throw badRequest(
			`token_id(s) [${strange.join(', ')}] in stop_token_ids contain out-of-vocab token ids. Vocabulary size: ${VOCABULARY_SIZE}`,
			'stop_token_ids',
			`[${strange.join(', ')}]`,
		);
}

/** vLLM takes temperatures below this for 0. */
export const GREEDY_BELOW = 1e-5;

/** Fields that change what is generated in ways the emulator has no model of. */
const NOT_EMULATED: readonly (readonly [field: string, what: string])[] = [
	['use_beam_search', 'beam search'],
	['prompt_embeds', 'prompt_embeds'],
	['suffix', 'suffix'],
	['prompt_logprobs', 'prompt_logprobs'],
	['structured_outputs', 'structured output'],
	['response_format', 'structured output'],
	['tools', 'tool calling'],
	['truncate_prompt_tokens', 'truncate_prompt_tokens'],
];

const isAsked = (value: unknown): boolean =>
	value !== undefined && value !== false && !(isObject(value) && value.type === 'text');

function checkCacheSalt(salt: unknown): void {
	if (salt === undefined) return;
	if (typeof salt !== 'string' || salt === '')
		throw badRequest("Parameter 'cache_salt' must be a non-empty string if provided.", 'cache_salt');
	if (salt.length > 128 || /[@/\\\0]/.test(salt))
		throw badRequest(
			"Parameter 'cache_salt' must be at most 128 characters and must not contain '@', '/', '\\\\', or NUL.",
			'cache_salt',
		);
}

/** A bias of 100 or more leaves no other token a chance. */
function onlyToken(bias: Readonly<Record<string, unknown>> | undefined): number | null {
	const certain = Object.entries(bias ?? {}).find(([, value]) => typeof value === 'number' && value >= 100);
	const token = certain === undefined ? Number.NaN : Number(certain[0]);
	return Number.isInteger(token) && token >= 0 && token <= EOS_TOKEN ? token : null;
}

function readScript(script: Readonly<Record<string, unknown>> | undefined): SpeechScript | null {
	if (script === undefined) return null;
	const reader = new FieldReader(script, 'body.mosaic');
	const outputTokens = reader.whole('output_tokens');
	const text = reader.text('text');
	reader.check();
	if (outputTokens !== undefined && outputTokens < 1)
		throw badRequest(`mosaic.output_tokens must be at least 1, got ${outputTokens}.`, 'mosaic');
	return { ...(outputTokens === undefined ? {} : { outputTokens }), ...(text === undefined ? {} : { text }) };
}

function between(field: string, reader: FieldReader, low: number, high: number): void {
	const value = reader.number(field) ?? 0;
	if (value < low || value > high)
		throw badRequest(`${field} must be in [${low}, ${high}], got ${pythonFloat(value)}.`);
}

const aboutNumber = (field: string, rule: string, value: number): Error =>
	badRequest(`${field} ${rule}, got ${pythonFloat(value)}.`, field, pythonFloat(value));

const pythonFloat = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));
