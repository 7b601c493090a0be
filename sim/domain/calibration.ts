import type { ModelId } from './ids.ts';
import type { ModelClass } from './model.ts';
import type { Answer } from './work.ts';

/** A query of the past of which everything is known. */
export interface PastQuery {
	readonly task: string;
	/** Expert of each slot; the following lists have as many entries. */
	readonly slots: readonly ModelId[];
	readonly slotPromptTokens: readonly number[];
	/** What each said when it was left to end. */
	readonly answers: readonly Answer[];
	readonly outputTokens: readonly number[];
	readonly correctAnswer: string;
	/** Null in an experiment without one. */
	readonly aggregator: PastAggregation | null;
}

export interface PastAggregation {
	readonly promptTokens: number;
	readonly outputTokens: number;
	/** What it said, or would have said, to these answers of the experts; null where nobody can know. */
	answer(answers: readonly Answer[]): Answer;
}

/** What gates are calibrated on. */
export interface Calibration {
	/** For people, e.g. `20000 simulated past queries`. */
	readonly source: string;
	/** Worked out when first asked for. Never the run's own queries. */
	queries(): readonly PastQuery[];
}

/** `gate` of an experiment, beyond its name. */
export interface GateOptions {
	/** Accuracy that skipping and cutting may cost together, percentage points against aggregating every query with nothing cut. */
	readonly budgetPoints: number;
	/** Chance, over calibration sets, that it costs no more; above 0, below 1. */
	readonly confidence: number;
	/** Share of skipped queries that go to the aggregator all the same, 0 to 1. */
	readonly auditShare: number;
	/** Whether the budget may be spent on cuts too, for schedulers that take them. */
	readonly cuts: boolean;
}

/** Generated tokens after which a call is cut; null: its own limit. */
export type CutTokens = Readonly<Record<ModelClass | 'aggregator', number | null>>;

/** What a gate knows of its price, from past queries. */
export interface GateEvidence {
	/** The past queries, for people. */
	readonly source: string;
	/** Past queries on which it was chosen what to try, and those on which that was tested. */
	readonly learned: number;
	readonly tested: number;
	readonly budgetPoints: number;
	readonly confidence: number;
	/** Share of the tested queries that skip the aggregator, 0 to 1. */
	readonly skippedShare: number;
	readonly cutTokens: CutTokens;
	/** Mean loss of accuracy on the tested queries, percentage points against aggregating all with nothing cut; below 0 is a gain. */
	readonly lossPoints: number;
	/** What the true mean loss does not exceed, with the confidence; null when the gate's own rule could not be shown to keep the budget. */
	readonly lossBoundPoints: number | null;
	/** Why it spends nothing of its budget; null when it does. */
	readonly note: string | null;
	/** Past queries that would do for it to spend something; null when it does, and when nobody can say. */
	readonly queriesNeeded: number | null;
	/** Null without audits. */
	readonly audit: AuditEvidence | null;
}

/** Queries that would have skipped the aggregator and were sent there all the same. */
export interface AuditEvidence {
	readonly audited: number;
	/** Of these, those on which the aggregator gave another answer than the vote. */
	readonly disagreed: number;
	/** Share that did so in the past, at most. */
	readonly expectedShare: number;
	/** They disagree more often than that, at the gate's confidence: from then on nothing is skipped or cut. */
	readonly drifted: boolean;
}
