import { randomStream } from '../../sim/core/random.ts';

/** Latent model of agreement: right with probability 1/(1+exp(-(mu+s*ease))), a wrong answer is the favoured one with probability lam. */
export interface AnswerModel {
	readonly options: number;
	readonly mu: number;
	readonly s: number;
	readonly lam: number;
}

/** Answers of one query: the right one, and what each slot says when its output is complete. Indices of options. */
export interface QueryAnswers {
	readonly correct: number;
	readonly slots: readonly SlotAnswer[];
}

export interface SlotAnswer {
	readonly option: number;
	/** Uniform, for the length of the part after the reasoning. */
	readonly answerPartP: number;
}

/**
 * Stream `answers`: two numbers a query, four a slot, whatever they decide.
 * @param optionsOf options of the query at an index, where they are not the model's
 */
export function drawAnswers(
	seed: number,
	eases: readonly number[],
	slotsPerQuery: number,
	model: AnswerModel,
	optionsOf: (index: number) => number = () => model.options,
): readonly QueryAnswers[] {
	const random = randomStream(seed, 'answers');
	const below = (count: number): number => Math.floor(random() * count);
	return eases.map((ease, index) => {
		const options = optionsOf(index);
		const correct = below(options);
		const favoured = skip(below(options - 1), correct);
		const rightProbability = 1 / (1 + Math.exp(-(model.mu + model.s * ease)));
		const slots = Array.from({ length: slotsPerQuery }, () => {
			const right = random() < rightProbability;
			const favours = random() < model.lam || options === 2;
			const low = Math.min(correct, favoured);
			const other = skip(skip(below(options - 2), low), Math.max(correct, favoured));
			const answerPartP = Math.max(2 ** -54, random());
			return { option: right ? correct : favours ? favoured : other, answerPartP };
		});
		return { correct, slots };
	});
}

/** Option letter: A to Z, then AA, AB, ... */
export function optionLabel(index: number): string {
	const letter = String.fromCharCode(65 + (index % 26));
	return index < 26 ? letter : optionLabel(Math.floor(index / 26) - 1) + letter;
}

/** The `index`-th option when `left out` is not counted. */
const skip = (index: number, leftOut: number): number => (index < leftOut ? index : index + 1);
