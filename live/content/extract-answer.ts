import type { Question } from '../../sim/domain/question.ts';
import type { Answer } from '../../sim/domain/work.ts';
import { extractBoxed } from './extract-boxed.ts';
import { extractLetter } from './extract-letter.ts';
import { extractNumber } from './extract-number.ts';

/**
 * The answer in a text, in the form in which gates and judges compare it.
 * @param text without its reasoning part
 * @returns null when there is none
 */
export function extractAnswer(question: Pick<Question, 'answerKind' | 'choices'>, text: string): Answer {
	switch (question.answerKind) {
		case 'letter':
			return extractLetter(text, question.choices.length);
		case 'number':
			return extractNumber(text);
		case 'boxed':
			return extractBoxed(text);
	}
}
