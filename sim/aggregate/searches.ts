import type { PastQuery } from '../domain/calibration.ts';
import { type longOutputs, skipRungs } from './boldness.ts';
import type { PastTerms } from './past-row.ts';
import { PastTable } from './past-table.ts';
import type { Rungs } from './saving-path.ts';
import { scoreByShare, shareRungs } from './share-scores.ts';
import { learnScores, type SkipScore } from './skip-scores.ts';
import type { Search } from './spend-budget.ts';
import type { SplitPast } from './split-past.ts';

export interface ScoredSearch extends Search {
	readonly score: SkipScore;
}

/** What every search of a gate has in common. */
export interface SearchTerms extends Omit<PastTerms, 'score' | 'isLoss'> {
	readonly past: SplitPast<PastQuery>;
	readonly cutRungs: Rungs['cuts'];
	/** By place in either part: queries whose votes never stand. */
	isAudited(index: number): boolean;
}

/** Votes stand as a rule of the gate's own has it; only cuts are looked for. */
export function ownSearch(terms: SearchTerms, score: SkipScore, startIsFree: boolean): ScoredSearch {
	const rungs = { skips: [0], cuts: terms.cutRungs, startIsFree };
	return { ...pastUnder(terms, score, false), rungs, isChosen: false, score };
}

/**
 * Votes stand by what the learned queries say of who gave them, from none on; or, where so few say little, by how many agree alone, from each of
 * several shares on.
 */
export function openSearches(
	terms: SearchTerms,
	longTokens: ReturnType<typeof longOutputs>,
): readonly ScoredSearch[] {
	const { past, cases, cutRungs: cuts } = terms;
	const score = learnScores(past.learned, cases, longTokens);
	const rungs = { skips: skipRungs(past.learned, cases, score), cuts, startIsFree: true };
	const learned = { ...pastUnder(terms, score, true), rungs, isChosen: true, score };
	// Whose votes nobody has seen, nobody lets stand.
	const byShare = scoreByShare((votes) => Number.isFinite(score(votes)));
	const tables = pastUnder(terms, byShare, false);
	const plain = shareRungs(past.learned, cases, byShare).map((share) => ({
		...tables,
		rungs: { skips: [share], cuts, startIsFree: false },
		isChosen: false,
		score: byShare,
	}));
	return [learned, ...plain];
}

function pastUnder(
	terms: SearchTerms,
	score: SkipScore,
	isLoss: boolean,
): Pick<Search, 'learned' | 'tested'> {
	const { past, isAudited } = terms;
	const scored = { ...terms, score, isLoss };
	return {
		learned: new PastTable(past.learned, scored, isAudited),
		tested: new PastTable(past.tested, scored, isAudited),
	};
}
