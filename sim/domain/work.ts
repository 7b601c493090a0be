import type { GateEvidence } from './calibration.ts';
import type { CallId, ModelId, QueryId } from './ids.ts';
import type { TimeUs } from './units.ts';

export type CallRole = 'expert' | 'aggregator';

/** One question with its router-chosen experts. What a scheduler may know: no answers, no output lengths. */
export interface Query {
	readonly id: QueryId;
	readonly task: string;
	/** 0 in a batch. */
	readonly arrivalUs: TimeUs;
	/** Expert model per slot, drawn with replacement: one model may sit in several slots. */
	readonly slots: readonly ModelId[];
	/** Prompt tokens per slot (tokenizers differ), same length as `slots`. */
	readonly slotPromptTokens: readonly number[];
}

/** One generation. */
export interface Call {
	readonly id: CallId;
	readonly query: QueryId;
	readonly task: string;
	readonly role: CallRole;
	/** Slot index of an expert call; -1 for the aggregator. */
	readonly slotIndex: number;
	readonly model: ModelId;
	readonly promptTokens: number;
	/** Hard limit on generated tokens (`max_tokens`). */
	readonly maxOutputTokens: number;
}

/** An extracted answer, such as an option letter; null when none could be extracted. Never says whether it is right. */
export type Answer = string | null;

export type FinishReason = 'stop' | 'length';

/** How a call ended. */
export type CallOutcome =
	| {
			readonly kind: 'finished';
			readonly outputTokens: number;
			/** Tokens after the reasoning part: what an aggregator reads. At most outputTokens. */
			readonly answerTokens: number;
			readonly finishReason: FinishReason;
			readonly answer: Answer;
	  }
	| { readonly kind: 'cancelled' }
	| { readonly kind: 'failed'; readonly reason: string };

/**
 * Gate verdict on a query: `open` while answers that could change it are missing, `accept` when the vote stands,
 * `aggregate` when the aggregator must read the answers.
 */
export type Verdict = 'open' | 'accept' | 'aggregate';

export interface GateDecision {
	readonly verdict: Verdict;
	/** The plurality answer, null when there is none or the verdict is `open`; what the query answers when the vote stands. */
	readonly answer: Answer;
	/** The vote would have stood, but this query goes to the aggregator all the same, to see what skipping costs. */
	readonly audit?: true;
}

/** A rule on the answers of one query. The same answers of the same query always get the same decision until `observe` is called. */
export interface Gate {
	readonly name: string;
	/** @param answers one entry per slot; `undefined` while the slot's call has not ended */
	decide(answers: readonly (Answer | undefined)[], query: Query): GateDecision;
	/**
	 * The answer that the vote will give and the gate accept, whatever the missing slots say; undefined while that is not certain, and
	 * when none is missing.
	 */
	foresee(answers: readonly (Answer | undefined)[], query: Query): string | undefined;
	/** Generated tokens after which this call is not worth waiting for: a limit that the gate's accuracy budget pays for. Infinity for none. */
	cutTokens(call: Pick<Call, 'model' | 'task' | 'role'>): number;
	/** What a query answers whose aggregator was cut at `cutTokens`. */
	answerWhenCut(answers: readonly (Answer | undefined)[], query: Query): Answer;
	/** What it promises and why, as it stands now; undefined for a gate that promises nothing. Works it out when first asked. */
	evidence?(): GateEvidence;
	/** Whether audits have shown that things are no longer as they were, once and for all; undefined for a gate that audits nothing. */
	readonly hasDrifted?: boolean;
	/** Hears what the aggregator made of a query that was audited. */
	observe(answers: readonly (Answer | undefined)[], query: Query, aggregatorAnswer: Answer): void;
}
