import type { Answer } from '../domain/work.ts';

export interface Plurality {
	/** The answer with most votes; null when nobody answered or the lead is shared. */
	readonly answer: Answer;
	/** Votes of the leading answer (also when the lead is shared); 0 when nobody answered. */
	readonly votes: number;
	/** Answers and failed extractions together. */
	readonly slots: number;
}

/**
 * Counts votes. A failed extraction (null) or a missing answer (undefined) fills a slot and votes for nothing, so it can never
 * help a gate; two answers that share the lead give no plurality.
 */
export function countVotes(answers: readonly (Answer | undefined)[]): Plurality {
	const votesByAnswer = new Map<string, number>();
	let leader: Answer = null;
	let votes = 0;
	for (const answer of answers) {
		if (answer === null || answer === undefined) continue;
		const count = (votesByAnswer.get(answer) ?? 0) + 1;
		votesByAnswer.set(answer, count);
		if (count > votes) {
			votes = count;
			leader = answer;
		} else if (count === votes) leader = null;
	}
	return { answer: leader, votes, slots: answers.length };
}
