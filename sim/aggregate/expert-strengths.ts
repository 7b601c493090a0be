import type { PastQuery } from '../domain/calibration.ts';
import type { ModelId } from '../domain/ids.ts';
import type { Answer } from '../domain/work.ts';
import { countVotes } from './votes.ts';

/** Of each expert that the past queries know, how often it was right. */
export function expertStrengths(past: readonly PastQuery[]): ReadonlyMap<ModelId, number> {
	const tallies = new Map<ModelId, { right: number; count: number }>();
	for (const { slots, answers, correctAnswer } of past)
		for (const [slot, model] of slots.entries()) {
			const tally = tallies.get(model) ?? { right: 0, count: 0 };
			tally.count++;
			if (answers[slot] === correctAnswer) tally.right++;
			tallies.set(model, tally);
		}
	return new Map([...tallies].map(([model, tally]) => [model, tally.right / tally.count]));
}

/** The plurality, else what the expert said that was right most often. */
export function strongestAnswer(
	answers: readonly (Answer | undefined)[],
	slots: readonly ModelId[],
	strengths: ReadonlyMap<ModelId, number>,
): Answer {
	const { answer } = countVotes(answers);
	if (answer !== null) return answer;
	let best: Answer = null;
	let most = Number.NEGATIVE_INFINITY;
	for (const [slot, given] of answers.entries()) {
		const strength = strengths.get(slots[slot] as ModelId) ?? 0;
		if (given === null || given === undefined || strength <= most) continue;
		best = given;
		most = strength;
	}
	return best;
}
