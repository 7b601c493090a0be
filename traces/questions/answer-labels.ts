import type { Question } from '../../sim/domain/question.ts';
import { optionLabel } from '../generate/answers.ts';
import { findNumbers, numberText, plus } from './number-form.ts';

/** Answers to one question as the generator draws them: numbered options, one of them right, and what each one says. */
export interface AnswerLabels {
	/** Undefined: as many as the experiment's answer model has. */
	readonly options: number | undefined;
	/** What option number `option` says when `correct` is the right one: different for different options, the known right answer for `correct`. */
	label(option: number, correct: number): string;
}

/** Letters are those of the choices; wrong numbers lie around the right one. What nobody knows to be right is drawn. */
export function answerLabels({ answerKind, choices, gold }: Question): AnswerLabels {
	if (answerKind === 'letter') return letterLabels(choices.length, gold);
	const [value] = gold === null ? [] : findNumbers(gold);
	const isNumber = value !== undefined && numberText(value.value) === gold;
	return {
		options: undefined,
		label(option, correct) {
			// 1, 2, 3, ... for the wrong ones in their order.
			const rank = option < correct ? option + 1 : option;
			if (gold === null) return String(option + 1);
			if (option === correct) return gold;
			if (!isNumber) return `${gold}+${rank}`;
			return numberText(plus(value.value, rank % 2 === 1 ? (rank + 1) / 2 : -rank / 2));
		},
	};
}

/** The drawn right option and the known one change places. */
function letterLabels(options: number, gold: string | null): AnswerLabels {
	const known = gold === null ? -1 : gold.charCodeAt(0) - 65;
	return {
		options,
		label(option, correct) {
			if (known < 0) return optionLabel(option);
			if (option === correct) return optionLabel(known);
			return optionLabel(option === known ? correct : option);
		},
	};
}
