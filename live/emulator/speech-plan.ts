import { randomStream } from '../../sim/core/random.ts';
import { type LengthDistribution, quantileTokens } from '../../sim/domain/distribution.ts';
import { makeSpeech, repeatToken, type Speech } from './speech.ts';
import { EOS_TOKEN } from './tokenizer.ts';

/** What a request asks of its output. Token counts. */
export interface OutputWish {
	/** At most, within the context; at least 1. */
	readonly maxTokens: number;
	readonly minTokens: number;
	readonly ignoreEos: boolean;
	readonly stop: readonly string[];
	readonly stopTokenIds: readonly number[];
	readonly includeStopText: boolean;
	/** The one token that a bias leaves to be chosen; null: any. */
	readonly onlyToken: number | null;
	/** The emulator's own extension: how much it says, and its last words. */
	readonly script: SpeechScript | null;
}

export interface SpeechScript {
	/** Absent: drawn, or what the text takes. */
	readonly outputTokens?: number;
	readonly text?: string;
}

/** What a request will say and where that ends. */
export interface SpeechPlan {
	readonly speech: Speech;
	/** Tokens until it ends, at most `maxTokens`. */
	readonly tokenCount: number;
	readonly finishReason: 'stop' | 'length';
	/** The stop text or stop token that ended it; null for any other end. */
	readonly stopReason: string | number | null;
	/** So many bytes of the output are shown: not what a stop text or a stop token cut off. Infinity: all. */
	readonly shownBytes: number;
}

/** Median 150 tokens, nine of ten below 500. */
export const defaultLengths: LengthDistribution = {
	body: { family: 'lognormal', mu: 5, sigma: 0.94 },
	shiftTokens: 0,
	capTokens: 32_768,
	runawayShare: 0,
	scale: 1,
};

/** @param key what is said follows from it and the seed */
export function planSpeech(
	seed: number,
	key: string,
	wish: OutputWish,
	lengths: LengthDistribution,
): SpeechPlan {
	const { maxTokens, minTokens, ignoreEos, script } = wish;
	// The token after `minTokens` is the first that may end the sequence.
	const ownEnd = Math.max(wantedTokens(seed, key, wish, lengths), minTokens > 0 ? minTokens + 1 : 1);
	// As in the simulator, a scripted output that reaches its limit is a truncated one.
	const endsItself = !ignoreEos && (script === null ? ownEnd <= maxTokens : ownEnd < maxTokens);
	const spoken = endsItself ? ownEnd : maxTokens;
	// What is cut never gets to its last words.
	const lastWords = endsItself || ignoreEos ? script?.text : undefined;
	const speech =
		wish.onlyToken === null || endsItself
			? makeSpeech(randomStream(seed, `text/${key}`), spoken, endsItself, lastWords)
			: repeatToken(wish.onlyToken, spoken);
	const whole: SpeechPlan = {
		speech,
		tokenCount: spoken,
		finishReason: endsItself ? 'stop' : 'length',
		stopReason: null,
		shownBytes: Number.POSITIVE_INFINITY,
	};
	return earliest(stopText(whole, wish), stopToken(whole, wish), whole);
}

/** Tokens after which it would end if nothing else ended it. */
function wantedTokens(seed: number, key: string, wish: OutputWish, lengths: LengthDistribution): number {
	const { script, onlyToken } = wish;
	if (script?.outputTokens !== undefined) return script.outputTokens;
	if (script?.text !== undefined) return Buffer.byteLength(script.text) + 1;
	if (onlyToken !== null) return onlyToken === EOS_TOKEN ? 1 : Number.POSITIVE_INFINITY;
	return quantileTokens(lengths, randomStream(seed, `length/${key}`)());
}

/** Of two ends at the same token that of the engine comes before that of the front end. */
function earliest(text: SpeechPlan | null, token: SpeechPlan | null, whole: SpeechPlan): SpeechPlan {
	const stopped = token === null || (text !== null && text.tokenCount < token.tokenCount) ? text : token;
	return stopped ?? whole;
}

function stopToken(whole: SpeechPlan, wish: OutputWish): SpeechPlan | null {
	if (wish.stopTokenIds.length === 0) return null;
	const { speech, tokenCount } = whole;
	const ids = speech.tokens(0, tokenCount);
	const at = ids.findIndex((id, index) => index >= wish.minTokens && wish.stopTokenIds.includes(id));
	// Its own end-of-sequence token ends it anyhow, and vLLM names no reason for that.
	if (at < 0 || (speech.endsItself && at === tokenCount - 1)) return null;
	return {
		speech,
		tokenCount: at + 1,
		finishReason: 'stop',
		stopReason: ids[at] as number,
		shownBytes: speech.bytes(0, wish.includeStopText ? at + 1 : at).length,
	};
}

/** The stop text that is complete first, as if looked for after every token; of two at once the one listed first. */
function stopText(whole: SpeechPlan, wish: OutputWish): SpeechPlan | null {
	if (wish.stop.length === 0) return null;
	const { speech, tokenCount } = whole;
	const output = Buffer.from(speech.bytes(0, tokenCount));
	// A stop text may begin, but not end, within the least tokens.
	const leastBytes = speech.bytes(0, Math.min(wish.minTokens, tokenCount)).length;
	let found: { text: string; start: number; end: number } | null = null;
	for (const text of wish.stop) {
		const needle = Buffer.from(text);
		const start = output.indexOf(needle, Math.max(0, leastBytes - needle.length + 1));
		if (start < 0) continue;
		const end = start + needle.length;
		if (found === null || end < found.end) found = { text, start, end };
	}
	if (found === null) return null;
	const { text, start, end } = found;
	return {
		speech,
		tokenCount: tokensFor(speech, end),
		finishReason: 'stop',
		stopReason: text,
		shownBytes: wish.includeStopText ? end : start,
	};
}

/** How many tokens it takes to say so many bytes. */
function tokensFor(speech: Speech, byteCount: number): number {
	let low = 1;
	let high = speech.tokenCount;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (speech.bytes(0, middle).length >= byteCount) high = middle;
		else low = middle + 1;
	}
	return low;
}
