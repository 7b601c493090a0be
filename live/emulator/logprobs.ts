import { decodeWithSpecial } from './tokenizer.ts';

/**
 * Log probabilities with vLLM's shape and made-up values: the token said is likely, each alternative less so. Alternatives are the
 * tokens that follow it in the vocabulary.
 */
const SAID = -0.25;
const STEP = -1.5;

interface Ranked {
	readonly token: number;
	readonly logprob: number;
}

const ranked = (token: number, alternatives: number): readonly Ranked[] =>
	Array.from({ length: alternatives + 1 }, (_, rank) => ({
		token: rank === 0 ? token : (token + rank) % 256,
		logprob: SAID + rank * STEP,
	}));

const textOf = (token: number): string => decodeWithSpecial([token]);

/** @param offset characters of the output before these tokens */
export function completionLogprobs(tokens: readonly number[], alternatives: number, offset: number): object {
	let at = offset;
	const offsets = tokens.map((token) => {
		const start = at;
		at += textOf(token).length;
		return start;
	});
	return {
		text_offset: offsets,
		token_logprobs: tokens.map(() => SAID),
		tokens: tokens.map(textOf),
		top_logprobs: tokens.map((token) =>
			Object.fromEntries(
				ranked(token, alternatives)
					.map(({ token: each, logprob }): [string, number] => [textOf(each), logprob])
					// Bytes that are no character look alike: the likeliest stands for all.
					.toReversed(),
			),
		),
	};
}

export function chatLogprobs(tokens: readonly number[], alternatives: number): object {
	const entry = ({ token, logprob }: Ranked): object => {
		const text = textOf(token);
		return { token: text, logprob, bytes: [...Buffer.from(text)] };
	};
	return {
		content: tokens.map((token) => ({
			...entry({ token, logprob: SAID }),
			top_logprobs: ranked(token, alternatives).slice(0, alternatives).map(entry),
		})),
	};
}
