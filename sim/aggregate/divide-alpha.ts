import { expectedCounts } from './expected-counts.ts';
import { bothTests } from './loss-test.ts';
import type { Budget, Step } from './saving-path.ts';

/** Configurations to be tested one after the other, ever bolder. */
export interface Sequence {
	readonly hypotheses: readonly Hypothesis[];
	/** It was chosen by what it lost on the learned queries, so that others lose more. */
	readonly isChosen: boolean;
}

export interface Hypothesis {
	readonly step: Step;
	/** Of the alpha of its sequence, that testing begins with, or begins anew with. */
	readonly share: number;
}

/**
 * Shares of alpha for several sequences, so that the most is saved as the learned queries have it. Any division is valid: the tested queries have no say.
 *
 * For each sequence and share: what its boldest configuration that passes would save, were the losses of the tested queries as far off as each
 * of some equally likely deviations. The sequences count as independent, and the boldest of all is taken.
 * @param startUs work of the configuration that all of them are held against
 * @returns one per sequence, adding up to 1
 */
export function divideAlpha(
	sequences: readonly Sequence[],
	startUs: number,
	testedSize: number,
	budget: Budget,
): readonly number[] {
	if (sequences.length === 1) return [1];
	const savings = sequences.map((sequence) => savingsOf(sequence, startUs, testedSize, budget));
	let best: readonly number[] = sequences.map((_, index) => (index === 0 ? 1 : 0));
	let most = 0;
	for (const shares of divisions(sequences.length, 1)) {
		const saved = meanOfMost(shares.map((share, index) => savings[index]?.(share) ?? []));
		if (saved <= most) continue;
		most = saved;
		best = shares;
	}
	return best;
}

/** Shares that a sequence may get. With less, restarts would fall below what the tests can tell (NUISANCE_SHARE of loss-test.ts). */
const SHARES = [0, 0.25, 0.5, 0.75, 1];

/** Midpoints of fifteen equally likely parts of a standard normal distribution. */
const DEVIATIONS = [
	-1.834, -1.282, -0.967, -0.728, -0.524, -0.341, -0.168, 0, 0.168, 0.341, 0.524, 0.728, 0.967, 1.282, 1.834,
];

/** So many standard errors more a chosen path may be expected to lose than where it was chosen. */
const OPTIMISM = 0.5;

/** By share of alpha: what is saved at each deviation, as a share of the work that all are held against. */
function savingsOf(
	{ hypotheses, isChosen }: Sequence,
	startUs: number,
	testedSize: number,
	budget: Budget,
): (share: number) => readonly number[] {
	const trials = hypotheses.map(({ step: { outcome }, share }) => {
		const test = bothTests(expectedCounts(outcome, testedSize), budget.loss, budget.alpha);
		return {
			saved: 1 - outcome.gpuUs / startUs,
			share,
			pValues: DEVIATIONS.map((deviation) => {
				const deviations = deviation + (isChosen ? OPTIMISM : 0);
				return test(expectedCounts(outcome, testedSize, deviations));
			}),
		};
	});
	const known = new Map<number, readonly number[]>();
	return (alphaShare) => {
		let savings = known.get(alphaShare);
		if (savings === undefined) {
			savings = DEVIATIONS.map((_, at) => {
				let level = 0;
				let most = 0;
				for (const { saved, share, pValues } of trials) {
					level += share * alphaShare * budget.alpha;
					if (level > 0 && (pValues[at] as number) <= level) most = Math.max(most, saved);
					else level = 0;
				}
				return most;
			});
			known.set(alphaShare, savings);
		}
		return savings;
	};
}

/** All ways to give so many sequences shares that add up to `left`. */
function divisions(count: number, left: number): readonly (readonly number[])[] {
	if (count === 1) return SHARES.filter((share) => isSame(share, left)).map((share) => [share]);
	return SHARES.filter((share) => share <= left + ROUNDING).flatMap((share) =>
		divisions(count - 1, left - share).map((others) => [share, ...others]),
	);
}

const ROUNDING = 1e-9;
const isSame = (a: number, b: number): boolean => Math.abs(a - b) < ROUNDING;

/** Mean of the largest of several independent draws, one from each list of equally likely values. */
function meanOfMost(lists: readonly (readonly number[])[]): number {
	const values = [...new Set(lists.flat())].sort((a, b) => a - b);
	let mean = 0;
	let before = 0;
	for (const value of values) {
		const upTo = lists.reduce(
			(chance, list) => chance * (list.filter((each) => each <= value).length / list.length),
			1,
		);
		mean += value * (upTo - before);
		before = upTo;
	}
	return mean;
}
