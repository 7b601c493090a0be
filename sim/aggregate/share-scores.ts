import type { PastQuery } from '../domain/calibration.ts';
import type { SkipScore } from './skip-scores.ts';
import { keyOf, type VoteCase, type VoteCases } from './vote-cases.ts';
import { countVotes } from './votes.ts';

/** Scores that need no learning: the more of its slots agree, the lower. The share of all slots behind the plurality, as a negative number. */
export function scoreByShare(mayStand: (votes: VoteCase) => boolean): SkipScore {
	const known = new Map<VoteCase, number>();
	return (votes) => {
		let score = known.get(votes);
		if (score === undefined) {
			const { votes: most, slots } = countVotes(votes.answers);
			score = mayStand(votes) ? -most / slots : Number.POSITIVE_INFINITY;
			known.set(votes, score);
		}
		return score;
	};
}

/** Thresholds of such scores: all agree, three of four, two of three, more than half; those that let more past votes stand than the one before. */
export function shareRungs(
	past: readonly PastQuery[],
	cases: VoteCases,
	score: SkipScore,
): readonly number[] {
	const scores = past.map(({ slots, answers }) => score(cases.of(slots, keyOf(slots), answers)));
	let before = 0;
	return SHARES.filter((share) => {
		const stands = scores.filter((each) => each <= -share).length;
		const isMore = stands > before;
		before = stands;
		return isMore;
	}).map((share) => -share);
}

/** Fewer could be overruled by the others together. */
const MORE_THAN_HALF = 0.5 + 1e-6;
const SHARES = [1, 3 / 4, 2 / 3, MORE_THAN_HALF];
