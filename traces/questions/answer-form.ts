import type { AnswerKind } from '../../sim/domain/question.ts';
import type { Answer } from '../../sim/domain/work.ts';
import { optionLabel } from '../generate/answers.ts';
import { normalBoxed } from './boxed-form.ts';
import { normalNumber } from './number-form.ts';

/**
 * An answer as gates and judges compare it.
 * @param choices how many options a question of kind `letter` has
 * @returns null when the text is no answer of that kind
 */
export function normalAnswer(kind: AnswerKind, choices: number, text: string): Answer {
	switch (kind) {
		case 'letter': {
			const letter = text.trim().toUpperCase();
			return choiceLetters(choices).includes(letter) ? letter : null;
		}
		case 'number':
			return normalNumber(text);
		case 'boxed':
			return normalBoxed(text);
	}
}

/** A, B, C, ... */
export const choiceLetters = (count: number): readonly string[] =>
	Array.from({ length: count }, (_, i) => optionLabel(i));
