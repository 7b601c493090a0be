import type { AnswerKind } from '../../sim/domain/question.ts';
import type { Answer } from '../../sim/domain/work.ts';

/**
 * Words that end with an answer the way prompts ask for it, for models that say what the workload drew.
 * @param answer null: no answer, words only
 * @param bytes length to fill; the closing line is there in any case
 */
export function madeUpText(kind: AnswerKind, answer: Answer, bytes: number): string {
	const closing = answer === null ? '' : closingLine(kind, answer);
	const room = bytes - Buffer.byteLength(closing) - (closing === '' ? 0 : 1);
	const filler = FILLER.repeat(Math.max(0, Math.ceil(room / FILLER.length))).slice(0, Math.max(0, room));
	return filler === '' || closing === '' ? filler + closing : `${filler}\n${closing}`;
}

export const closingLine = (kind: AnswerKind, answer: string): string =>
	`The answer is ${{ letter: `(${answer})`, number: answer, boxed: `\\boxed{${answer}}` }[kind]}.`;

const FILLER = [
	'Start with what is given and what is asked for. ',
	'Going through it step by step, each part follows from the one before. ',
	'Nothing that was said speaks against it, and one thing is left to check. ',
	'Trying it the other way round leads to the same place. ',
	'The remaining cases are no better, so they can be left aside. ',
	'Put together, this settles the matter. ',
].join('');
