import type { ModelClass } from '../../sim/domain/model.ts';
import type { CallReply } from '../content.ts';

/** What a model said, taken apart. */
export interface SplitReply {
	/** After the reasoning part; empty when that was never closed. */
	readonly answerText: string;
	/** Of the output tokens, an estimate by the share of the text. */
	readonly answerTokens: number;
	/** It was cut, or stopped, in the middle of its reasoning. */
	readonly neverAnswered: boolean;
}

/**
 * Separates reasoning from answer: by the server's reasoning parser, else at the last `</think>`. Templates may put `<think>` into the prompt, so an
 * output of a reasoning model that was cut without any tag is taken for open reasoning; one that ended by itself is all answer.
 */
export function splitReply(reply: CallReply, modelClass: ModelClass): SplitReply {
	const { text, reasoningText, outputTokens, finishReason } = reply;
	const wasCut = finishReason === 'length';
	const close = text.lastIndexOf(CLOSE);
	if (close >= 0 || reasoningText !== '') {
		const from = close < 0 ? 0 : close + CLOSE.length;
		const answer = text.slice(from);
		return split(reasoningText.length + from, answer, outputTokens, close < 0 && answer.trim() === '');
	}
	const isOpen = text.includes(OPEN) || (modelClass === 'reasoning' && wasCut);
	return isOpen ? split(text.length, '', outputTokens, true) : split(0, text, outputTokens, false);
}

const OPEN = '<think>';
const CLOSE = '</think>';

function split(
	reasoningChars: number,
	answer: string,
	outputTokens: number,
	neverAnswered: boolean,
): SplitReply {
	const share = reasoningChars === 0 ? 1 : answer.length / (reasoningChars + answer.length);
	return {
		answerText: answer.trim(),
		answerTokens: neverAnswered ? 0 : Math.round(outputTokens * share),
		neverAnswered,
	};
}
