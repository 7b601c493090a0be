import type { QueryId } from './ids.ts';
import type { Answer } from './work.ts';

/** How an answer is written: an option letter, a number, or the content of a LaTeX `\boxed{}`. */
export type AnswerKind = 'letter' | 'number' | 'boxed';

/** The text of one query, from a question file. */
export interface Question {
	readonly query: QueryId;
	readonly text: string;
	/** Options in order, named A, B, C, ...; empty for open questions. */
	readonly choices: readonly string[];
	readonly answerKind: AnswerKind;
	/** The right answer in normal form, or null when nobody knows it. Never reaches a prompt or a view. */
	readonly gold: Answer;
}
