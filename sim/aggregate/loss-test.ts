import { logGamma } from './log-gamma.ts';

/**
 * An exact finite-sample test of "skipping and cutting cost at least so much", for losses in {-1, 0, 1}: 1 where aggregating all with nothing cut
 * would have been right and the gate was wrong, -1 where it was the other way round.
 */
export interface LossCounts {
	readonly lost: number;
	readonly even: number;
	readonly gained: number;
}

export const meanLoss = ({ lost, even, gained }: LossCounts): number =>
	lost + even + gained === 0 ? 0 : (lost - gained) / (lost + even + gained);

/**
 * P-values of "mean loss >= budget": under it, they are at most x with probability at most x, for every x.
 * @param alpha about the level that the p-value is for; fixed before the queries are looked at
 */
export type LossTest = (counts: LossCounts, budget: number, alpha: number) => number;

/**
 * Losses alone, gains left out: where the mean loss is the budget, at least so many are lost. The best there is while hardly anything is gained: with nothing
 * lost in n queries it is (1 - budget)^n, so that 2.3 / budget queries do at 90 %.
 * @source Clopper and Pearson, Biometrika 1934
 */
export const lossesAlone: LossTest = ({ lost, even, gained }, budget) =>
	binomialAtMost(lost, lost + even + gained, budget);

/**
 * Losses less gains.
 *
 * Let a query be lost with probability l and gained with probability g. What matters beside the mean l - g is how many queries differ at
 * all, l + g: the more do, the wider the difference of lost and gained scatters. An upper confidence bound on l + g (Clopper and Pearson, at
 * NUISANCE_SHARE of alpha) is put in its place, and its chance to be wrong is added (Berger and Boos). While l + g <= 1/2 the polynomial
 * `g + (1-l-g)z + l z^2` has real roots, so the difference is that of two independent binomial numbers; its mode is within one of its
 * mean (Darroch), and below that a wider scatter only raises the chance of a difference so small: the bound is the worst case.
 * @source Berger and Boos, "P values maximized over a confidence set for the nuisance parameter", JASA 1994; Darroch, "On the distribution of the
 * number of successes in independent trials", Annals of Mathematical Statistics 1964
 */
export const netLosses: LossTest = ({ lost, even, gained }, budget, alpha) => {
	const total = lost + even + gained;
	if (total === 0) return 1;
	const nuisanceAlpha = NUISANCE_SHARE * alpha;
	const differ = shareUpperBound(lost + gained, total, nuisanceAlpha);
	// Where the mean loss is the budget, at least as many differ.
	if (differ < budget) return nuisanceAlpha;
	if (differ > 0.5 || lost - gained > (total - 1) * budget - 2) return 1;
	const { up, down } = binomialParts((differ + budget) / 2, (differ - budget) / 2);
	return Math.min(1, nuisanceAlpha + differenceAtMost(lost - gained, total, up, down));
};

/**
 * Both tests in one (Bonferroni, unevenly), or one alone where the other has nothing to add: losses where nothing is expected to differ, losses less gains
 * where so many are that losses alone would show nothing. To be chosen on other queries than those that are tested: few of them may show no
 * losses by luck.
 * @returns p-value of counts
 */
export const bothTests = (
	expected: LossCounts,
	budget: number,
	alpha: number,
): ((counts: LossCounts) => number) => {
	const alone = (counts: LossCounts): number => lossesAlone(counts, budget, alpha);
	const net = (counts: LossCounts): number => netLosses(counts, budget, alpha);
	if (expected.lost + expected.gained === 0) return alone;
	if (alone(expected) > HOPELESS) return net;
	return (counts) => Math.min(1, alone(counts) / LOSSES_SHARE, net(counts) / (1 - LOSSES_SHARE));
};

/** More losses than the budget are expected: whatever is gained, losses alone will not show less. */
const HOPELESS = 0.5;

const LOSSES_SHARE = 0.25;

/** Chance to be wrong about how many queries differ, as a share of alpha: far below the smallest part of alpha that anything is tested at. */
const NUISANCE_SHARE = 0.02;

/** Queries without a single loss after which `lossesAlone` is at most alpha. Without gains no test can do with fewer. */
export const fewestQueries = (budget: number, alpha: number): number =>
	budget === 0 ? Number.POSITIVE_INFINITY : Math.ceil(Math.log(alpha) / Math.log1p(-budget));

/**
 * Upper confidence bound on a share.
 * @source Clopper and Pearson, Biometrika 1934
 */
export function shareUpperBound(successes: number, total: number, alpha: number): number {
	if (successes >= total) return 1;
	let low = successes / total;
	let high = 1;
	for (let step = 0; step < BISECTIONS; step++) {
		const middle = (low + high) / 2;
		if (binomialAtMost(successes, total, middle) <= alpha) high = middle;
		else low = middle;
	}
	return high;
}

/** The two binomial shares whose difference a step of 1 with `lost`, of -1 with `gained` is: up - down = lost - gained, up (1 - down) = lost. */
function binomialParts(lost: number, gained: number): { readonly up: number; readonly down: number } {
	const mean = lost - gained;
	// up (1 - up + mean) = lost, the smaller root.
	const half = (1 + mean) / 2;
	const up = lost / (half + Math.sqrt(Math.max(0, half ** 2 - lost)));
	return { up, down: up - mean };
}

/** P(X - Y <= difference), X and Y binomial of `total` with shares `up` and `down`. */
function differenceAtMost(difference: number, total: number, up: number, down: number): number {
	const x = binomialTerms(total, up);
	const y = binomialTerms(total, Math.max(0, down));
	let sum = 0;
	let below = 0;
	let next = x.from;
	for (let i = 0; i < y.chances.length; i++) {
		const most = difference + y.from + i;
		for (; next <= most && next < x.from + x.chances.length; next++)
			below += x.chances[next - x.from] as number;
		sum += (y.chances[i] as number) * below;
	}
	// What the windows leave out might all have been so small.
	return Math.min(1, sum + x.rest + y.rest);
}

const binomialAtMost = (successes: number, total: number, share: number): number => {
	const { from, chances, rest } = binomialTerms(total, share);
	let sum = 0;
	for (let i = 0; i < chances.length && from + i <= successes; i++) sum += chances[i] as number;
	return Math.min(1, sum + rest);
};

/** Chances of the counts that are not hopelessly unlikely, from `from` on, and what is left for all others together. */
function binomialTerms(
	total: number,
	share: number,
): { readonly from: number; readonly chances: readonly number[]; readonly rest: number } {
	if (share <= 0) return { from: 0, chances: [1], rest: 0 };
	if (share >= 1) return { from: total, chances: [1], rest: 0 };
	const mode = Math.min(total, Math.floor((total + 1) * share));
	const top = Math.exp(
		logGamma(total + 1) -
			logGamma(mode + 1) -
			logGamma(total - mode + 1) +
			mode * Math.log(share) +
			(total - mode) * Math.log1p(-share),
	);
	const odds = share / (1 - share);
	const above: number[] = [];
	let chance = top;
	for (let count = mode; count < total && chance > NEGLIGIBLE; count++) {
		chance *= ((total - count) / (count + 1)) * odds;
		above.push(chance);
	}
	const under: number[] = [];
	chance = top;
	for (let count = mode; count > 0 && chance > NEGLIGIBLE; count--) {
		chance *= count / (total - count + 1) / odds;
		under.push(chance);
	}
	const chances = [...under.reverse(), top, ...above];
	// Terms fall at least geometrically beyond the last ones.
	return { from: mode - under.length, chances, rest: REST };
}

const NEGLIGIBLE = 1e-14;
const REST = 1e-11;
const BISECTIONS = 45;
