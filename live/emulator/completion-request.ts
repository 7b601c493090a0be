import { badRequest, unknownModel } from './api-error.ts';
import {
	type GenerationRequest,
	type RequestContext,
	type RequestPrompt,
	requestId,
	requestPriority,
	speechKeys,
} from './generation-request.ts';
import { outputRoom } from './prompt-room.ts';
import { checkSampling, readSamplingFields } from './sampling-fields.ts';
import { decode, encode } from './tokenizer.ts';
import { FieldReader } from './validation.ts';

/**
 * Reads the body of `/v1/completions`.
 * @throws ApiError as vLLM refuses it
 */
export function readCompletionRequest(
	body: Readonly<Record<string, unknown>>,
	context: RequestContext,
): GenerationRequest {
	const reader = new FieldReader(body);
	const prompt = reader.raw('prompt');
	if (prompt === undefined || prompt === '')
		throw badRequest('Either prompt or prompt_embeds must be provided and non-empty.', 'prompt');
	const fields = readSamplingFields(reader);
	const wantedTokens = reader.whole('max_tokens') ?? DEFAULT_MAX_TOKENS;
	const logprobs = reader.whole('logprobs') ?? null;
	const given = readPrompts(prompt, reader);
	reader.check();
	if (fields.model !== undefined && fields.model !== '' && fields.model !== context.servedModel)
		throw unknownModel(fields.model, context.servedModel);
	if (given.length === 0) throw badRequest('You must pass at least one prompt');

	const answerId = `cmpl-${requestId(fields, context)}`;
	const prompts = given.map(({ tokens, text }, index): RequestPrompt => {
		const isText = text !== null;
		const maxTokens = outputRoom(tokens, isText, wantedTokens, context.maxModelLen, 'max_tokens');
		checkSampling(fields, reader, maxTokens);
		if (tokens.length === 0) throw badRequest('The decoder prompt cannot be empty');
		const shown = text ?? decode(tokens);
		return {
			orderId: `${answerId}-${index}`,
			tokens,
			text: shown,
			wish: { ...fields.wish, maxTokens },
			speechKeys: speechKeys(fields, context, tokens, index),
			echoText: fields.returnTokenIds ? '' : shown,
		};
	});
	checkLogprobs(logprobs);
	return {
		...fields,
		answerId,
		prompts,
		priority: requestPriority(fields, context),
		logprobs,
		returnPromptText: false,
	};
}

/** @throws ApiError beyond what vLLM allows by default */
export function checkLogprobs(logprobs: number | null): void {
	if (logprobs === null || logprobs <= MOST_LOGPROBS) return;
	throw badRequest(
		`Requested sample logprobs of ${logprobs}, which is greater than max allowed: ${MOST_LOGPROBS}`,
		'logprobs',
		logprobs,
	);
}

const DEFAULT_MAX_TOKENS = 16;
const MOST_LOGPROBS = 20;

interface GivenPrompt {
	readonly tokens: readonly number[];
	/** Null: it was given as tokens. */
	readonly text: string | null;
}

/** A text, tokens, or lists of either. */
function readPrompts(prompt: unknown, reader: FieldReader): readonly GivenPrompt[] {
	if (typeof prompt === 'string') return [ofText(prompt)];
	if (Array.isArray(prompt)) {
		if (prompt.length === 0) return [];
		if (prompt.every((item) => typeof item === 'string')) return prompt.map(ofText);
		if (isTokens(prompt)) return [{ tokens: prompt, text: null }];
		if (prompt.every(isTokens)) return prompt.map((tokens) => ({ tokens, text: null }));
	}
	addPromptIssues(prompt, reader);
	return [];
}

const ofText = (text: string): GivenPrompt => ({ tokens: encode(text), text });

const isTokens = (value: unknown): value is number[] =>
	Array.isArray(value) && value.every((item) => Number.isInteger(item) && item >= 0);

/** pydantic tries the four forms of a prompt one after the other and reports each. */
function addPromptIssues(prompt: unknown, reader: FieldReader): void {
	const list = 'Input should be a valid list';
	const text = 'Input should be a valid string';
	if (!Array.isArray(prompt)) {
		reader.add('list_type', 'prompt', list, prompt);
		reader.add('list_type', 'prompt', list, prompt);
		if (typeof prompt !== 'string') reader.add('string_type', 'prompt', text, prompt);
		reader.add('list_type', 'prompt', list, prompt);
		return;
	}
	const at = prompt.findIndex((item) => !(Number.isInteger(item) && item >= 0));
	const item: unknown = prompt[at];
	const place = `prompt.${at}`;
	if (typeof item === 'number' && item < 0)
		reader.add('greater_than_equal', place, 'Input should be greater than or equal to 0', item, "{'ge': 0}");
	else reader.add('int_type', place, 'Input should be a valid integer', item);
	if (!Array.isArray(item)) reader.add('list_type', place, list, item);
	reader.add('string_type', 'prompt', text, prompt);
	if (typeof item !== 'string') reader.add('string_type', place, text, item);
}
