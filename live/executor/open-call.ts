import type { TimeUs } from '../../sim/domain/units.ts';
import type { Call } from '../../sim/domain/work.ts';
import type { CallPrompt, CarriedOutput } from '../content.ts';
import { type CarriedCall, carriedTokens } from '../happening.ts';
import type { AnswerSoFar, StreamedAnswer } from '../http/answer-reader.ts';

/** A call on its way to a replica. */
export interface MovingCall {
	readonly call: Call;
	/** Null: it never moved. */
	readonly carried: CarriedCall | null;
	/** Times it was sent before. */
	readonly attempts: number;
}

/** A call that left a replica. */
export type ReleasedCall = MovingCall & { readonly carried: CarriedCall };

/** A call that a replica has, and how far it is. */
export interface OpenCall {
	readonly call: Call;
	readonly prompt: CallPrompt;
	readonly carried: CarriedCall | null;
	/** Of the call itself, once known: without what it brought along. */
	promptTokens: number | null;
	/** Times it was sent. */
	attempts: number;
	/** Failures that count against its budget. */
	failures: number;
	sentUs: TimeUs;
	firstTokenUs: TimeUs | null;
	/** Of the present attempt, as what follows. */
	outputTokens: number;
	/** Null before its first token. */
	soFar: (() => AnswerSoFar) | null;
	/** What goes on for it at present, an attempt or a pause; aborted and replaced when that is overtaken. */
	turn: AbortController;
}

/** What a call has by now. */
export const tokensOf = ({ carried, outputTokens }: OpenCall): number =>
	carriedTokens(carried) + outputTokens;

/** With what a call leaves. */
export function carriedOn(open: OpenCall, soFar: AnswerSoFar | null): CarriedCall {
	const { carried, promptTokens, outputTokens } = open;
	const had = carriedTokens(carried) + (soFar === null ? 0 : outputTokens);
	return {
		output: outputOf(open, soFar) ?? carried?.output ?? null,
		recomputedTokens: (carried?.recomputedTokens ?? 0) + (soFar === null ? 0 : (promptTokens ?? 0) + had),
		migrations: (carried?.migrations ?? 0) + 1,
	};
}

/** Of a call that has all its tokens, before the server's account of them has come: what its cache had is not known. */
export const wholeAnswer = (
	open: OpenCall,
	{ text, reasoningText, finish }: AnswerSoFar,
): StreamedAnswer => ({
	text,
	reasoningText,
	promptTokens: (open.promptTokens ?? 0) + carriedTokens(open.carried),
	cachedPromptTokens: 0,
	outputTokens: open.outputTokens,
	finishReason: finish === 'stop' ? 'stop' : 'length',
	queueMs: null,
});

/** Ends what goes on for a call. @returns the turn of what comes next */
export function overtake(open: OpenCall): AbortController {
	open.turn.abort();
	open.soFar = null;
	open.turn = new AbortController();
	return open.turn;
}

/** Null when nothing was added here, or when the server does not say which tokens: what it said is lost then. */
function outputOf({ carried, prompt }: OpenCall, soFar: AnswerSoFar | null): CarriedOutput | null {
	const before = carried?.output;
	const asked = prompt.body.prompt;
	const promptTokenIds =
		before?.promptTokenIds ?? (Array.isArray(asked) ? (asked as number[]) : soFar?.promptTokenIds);
	if (!promptTokenIds || !soFar?.tokenIds?.length) return null;
	return {
		promptTokenIds,
		tokenIds: [...(before?.tokenIds ?? []), ...soFar.tokenIds],
		text: (before?.text ?? '') + soFar.text,
		reasoningText: (before?.reasoningText ?? '') + soFar.reasoningText,
	};
}
