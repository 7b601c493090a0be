import type { PastAggregation, PastQuery } from '../domain/calibration.ts';
import type { ModelId } from '../domain/ids.ts';
import type { Answer } from '../domain/work.ts';
import { hashShare } from './hash-share.ts';
import { keyOf, type VoteCase, type VoteCases } from './vote-cases.ts';

/** Accuracy that it is expected to cost to let such a vote stand, as a share of one query; Infinity where that cannot be said. */
export type SkipScore = (votes: VoteCase) => number;

/**
 * The mean of each cell, drawn towards that of its vote pattern by as much as the cells of the pattern do not differ beyond chance (empirical
 * Bayes, with a cautious version of DerSimonian and Laird's variance between); a cell that was never seen has its pattern's. Votes without a
 * plurality, of patterns that were never seen, and of experts that were never seen, may never stand. No two cells are equal, so that a pattern can be taken in part.
 * Calls of `longTokens` and more are tried without their answers too, as a cut would have it.
 */
export function learnScores(
	past: readonly PastQuery[],
	cases: VoteCases,
	longTokens: (query: PastQuery, slot: number) => number,
): SkipScore {
	const patterns = new Map<string, Map<string, Tally>>();
	const seen = new Set<ModelId>();
	for (const query of past) {
		for (const model of query.slots) seen.add(model);
		count(patterns, cases, query, query.answers);
		const cut = query.answers.map((answer, slot) =>
			(query.outputTokens[slot] as number) >= longTokens(query, slot) ? null : answer,
		);
		if (cut.some((answer, slot) => answer !== query.answers[slot])) count(patterns, cases, query, cut);
	}
	const scores = new Map([...patterns].map(([pattern, cells]) => [pattern, patternScores(cells)]));
	return ({ slots, pattern, cell, leader }) => {
		const known = scores.get(pattern);
		if (leader < 0 || known === undefined || !slots.every((model) => seen.has(model)))
			return Number.POSITIVE_INFINITY;
		return (known.cells.get(cell) ?? known.mean) + TIE_BREAK * hashShare(cell);
	};
}

/** Far below what a thousandth of a query's loss is. */
const TIE_BREAK = 1e-7;

/** The aggregator that a vote is held against: where nobody knows what it would have said to these answers, what it said to all of them. */
export const replyWithout = (
	aggregator: PastAggregation | null,
	answers: readonly Answer[],
	whole: readonly Answer[],
): Answer => aggregator?.answer(answers) ?? aggregator?.answer(whole) ?? null;

/** Losses of queries of one cell: 1, 0 or -1 each. */
interface Tally {
	sum: number;
	squares: number;
	count: number;
}

function count(
	patterns: Map<string, Map<string, Tally>>,
	cases: VoteCases,
	{ slots, aggregator, answers: whole, correctAnswer }: PastQuery,
	answers: readonly Answer[],
): void {
	const { pattern, cell, leader } = cases.of(slots, keyOf(slots), answers);
	if (leader < 0) return;
	const vote = answers[leader] === correctAnswer ? 1 : 0;
	const reply = replyWithout(aggregator, answers, whole) === correctAnswer ? 1 : 0;
	const loss = reply - vote;
	const cells = patterns.get(pattern) ?? new Map<string, Tally>();
	const tally = cells.get(cell) ?? { sum: 0, squares: 0, count: 0 };
	tally.sum += loss;
	tally.squares += loss ** 2;
	tally.count++;
	cells.set(cell, tally);
	patterns.set(pattern, cells);
}

function patternScores(cells: ReadonlyMap<string, Tally>): {
	readonly mean: number;
	readonly cells: ReadonlyMap<string, number>;
} {
	const tallies = [...cells.values()];
	const total = tallies.reduce((sum, tally) => sum + tally.count, 0);
	const mean = tallies.reduce((sum, tally) => sum + tally.sum, 0) / total;
	const within = tallies.reduce((sum, tally) => sum + tally.squares, 0) / total - mean ** 2;
	const spread = tallies.reduce((sum, tally) => sum + tally.count * (tally.sum / tally.count - mean) ** 2, 0);
	const sizes = total - tallies.reduce((sum, tally) => sum + tally.count ** 2, 0) / total;
	const others = tallies.length - 1;
	// Of cells that do not differ the spread would be about so large, and rarely so much larger.
	const byChance = (others + 2 * Math.sqrt(2 * others)) * within;
	const between = sizes <= 0 ? 0 : Math.max(0, (spread - byChance) / sizes);
	const scores = [...cells].map(([cell, tally]): [string, number] => {
		const trust = between === 0 ? 0 : (tally.count * between) / (tally.count * between + within);
		return [cell, mean + trust * (tally.sum / tally.count - mean)];
	});
	return { mean, cells: new Map(scores) };
}
