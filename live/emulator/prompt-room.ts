import { badRequest } from './api-error.ts';
import { VOCABULARY_SIZE } from './tokenizer.ts';

/**
 * Output tokens that a prompt leaves room for, at most `wantedTokens`; 0 or less is for `checkSampling` to refuse.
 * @param isText whether the tokens were read from a text
 * @param wantedTokens undefined: the rest of the context
 * @param field what the limit is called in the request
 * @throws ApiError for a limit or a prompt beyond the context, or a token that does not exist
 */
export function outputRoom(
	tokens: readonly number[],
	isText: boolean,
	wantedTokens: number | undefined,
	maxModelLen: number,
	field: string,
): number {
	if (wantedTokens !== undefined && wantedTokens > maxModelLen)
		throw badRequest(
			`${field}=${wantedTokens} cannot be greater than max_model_len=${maxModelLen}. Please request fewer output tokens.`,
			field,
			wantedTokens,
		);
	const strange = tokens.find((token) => token >= VOCABULARY_SIZE);
	if (strange !== undefined) throw badRequest(`Token id ${strange} is out of vocabulary`);
	// vLLM stops to read a text one token beyond the context.
	const counted = isText ? Math.min(tokens.length, maxModelLen + 1) : tokens.length;
	if (counted > maxModelLen) throw promptTooLong(counted, maxModelLen);
	return Math.min(maxModelLen - tokens.length, wantedTokens ?? Number.POSITIVE_INFINITY);
}

function promptTooLong(counted: number, maxModelLen: number): Error {
	const qualifier = counted === maxModelLen + 1 ? 'at least ' : '';
	return badRequest(
		`This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains ${qualifier}${counted} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.`,
		'input_tokens',
		counted,
	);
}
