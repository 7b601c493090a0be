import { describe, expect, it } from 'vitest';
import { bothTests, type LossCounts } from '../../sim/aggregate/loss-test.ts';
import type { Outcome } from '../../sim/aggregate/past-table.ts';
import type { Rungs, Table } from '../../sim/aggregate/saving-path.ts';
import { spendBudget } from '../../sim/aggregate/spend-budget.ts';
import { splitPast } from '../../sim/aggregate/split-past.ts';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';

const BUDGET = { loss: 0.02, alpha: 0.1, cuts: false };
/** So many that P-values are dense, and that what seems to lose nothing seems sure to pass. */
const SIZE = 5000;
const RUNS = 2000;

/** Past queries of which each threshold loses so many; every step saves a tenth of the work. */
const table = (lostBy: readonly number[]): Table => ({
	size: SIZE,
	outcome(_, threshold): Outcome {
		const lost = lostBy[threshold] as number;
		return {
			counts: { lost, even: SIZE - lost, gained: 0 },
			expectedLoss: lost / SIZE,
			gpuUs: 1000 - 100 * threshold,
			skipped: threshold,
			stood: threshold,
			disagreed: 0,
		};
	},
});

/** Draws how many of SIZE are lost, each with this chance. */
function drawerOf(share: number): (random: RandomStream) => number {
	const below: number[] = [];
	let log = SIZE * Math.log1p(-share);
	for (let sum = 0, lost = 0; lost <= SIZE && sum < 1 - 1e-12; lost++) {
		sum += Math.exp(log);
		below.push(sum);
		log += Math.log((SIZE - lost) / (lost + 1)) + Math.log(share) - Math.log1p(-share);
	}
	return (random) => {
		const fate = random();
		const found = below.findIndex((sum) => sum > fate);
		return found < 0 ? SIZE : found;
	};
}

/** How often a threshold is taken that loses the budget or more, and how often any is. */
const taken = (shares: readonly number[], startIsFree: boolean) =>
	takenOf([{ shares, startIsFree, isChosen: true }]);

interface World {
	/** By threshold: the chance that it loses a query. */
	readonly shares: readonly number[];
	readonly startIsFree: boolean;
	readonly isChosen: boolean;
}

/** The same of several searches, whose tested queries are drawn apart. */
function takenOf(worlds: readonly World[]): { wrong: number; moved: number } {
	const random = randomStream(1, 'spend budget');
	const drawn = worlds.map(({ shares, startIsFree, isChosen }) => ({
		learned: table(shares.map(() => 0)),
		drawers: shares.map((share) => (share === 0 ? () => 0 : drawerOf(share))),
		rungs: {
			skips: shares.map((_, threshold) => threshold),
			cuts: { reasoning: [], instruct: [], aggregator: [] },
			startIsFree,
		},
		isChosen,
	}));
	let wrong = 0;
	let moved = 0;
	for (let run = 0; run < RUNS; run++) {
		const searches = drawn.map(({ drawers, ...search }) => ({
			...search,
			tested: table(drawers.map((draw) => draw(random))),
		}));
		const spent = spendBudget(searches, BUDGET);
		const { shares, startIsFree } = worlds[spent.search] as World;
		const isTaken = spent.moved || (!startIsFree && spent.holds);
		if (isTaken && (shares[spent.threshold] as number) >= BUDGET.loss) wrong++;
		if (spent.moved) moved++;
	}
	return { wrong, moved };
}

/** Loses exactly the budget, half of it, and far more. */
const NULL = BUDGET.loss;
const SAFE = NULL / 2;
const BAD = 10 * NULL;

describe('what is taken loses the budget no more often than alpha', () => {
	it.each([
		['where nothing keeps it', [0, NULL, NULL, NULL], true, 0.1],
		['where only the first does', [0, SAFE, NULL, NULL], true, 0.1],
		['where all but the last do', [0, SAFE, SAFE, NULL], true, 0.1],
		[
			'where the first plainly fails, so that only what begins anew is left',
			[0, BAD, NULL, NULL],
			true,
			0.04,
		],
		['where the gate alone does not', [NULL, NULL, NULL, NULL], false, 0.1],
		['where the gate alone does', [SAFE, NULL, NULL, NULL], false, 0.1],
	] as const)('%s', (_, shares, startIsFree, alpha) => {
		const { wrong } = taken(shares, startIsFree);
		// Of a chance of alpha more comes up once in 500 times. Far less would be no trial.
		expect(wrong).toBeLessThanOrEqual(RUNS * alpha + 2.9 * Math.sqrt(RUNS * alpha * (1 - alpha)));
		expect(wrong).toBeGreaterThan(0.6 * RUNS * alpha);
	});

	it('in whichever of two searches, of which neither keeps it', () => {
		const { wrong } = takenOf([
			{ shares: [0, NULL, NULL], startIsFree: true, isChosen: true },
			{ shares: [NULL, NULL, NULL, NULL], startIsFree: false, isChosen: false },
		]);
		expect(wrong).toBeLessThanOrEqual(RUNS * 0.1 + 2.9 * Math.sqrt(RUNS * 0.1 * 0.9));
		// Two at the whole of alpha each would come to 380.
		expect(wrong).toBeGreaterThan(0.6 * RUNS * 0.1);
	});

	it('and a search that keeps it is taken, whatever becomes of another one', () => {
		const { wrong, moved } = takenOf([
			{ shares: [0, BAD, BAD], startIsFree: true, isChosen: true },
			{ shares: [SAFE, SAFE, SAFE, SAFE], startIsFree: false, isChosen: false },
		]);
		expect(wrong).toBe(0);
		expect(moved).toBeGreaterThan(0.9 * RUNS);
	});

	it('and what keeps it is found', () => {
		expect(taken([0, SAFE, SAFE, SAFE], true).moved).toBeGreaterThan(0.98 * RUNS);
		expect(taken([SAFE, SAFE, SAFE, SAFE], false).moved).toBeGreaterThan(0.98 * RUNS);
	});

	it('nothing is bought where the gate alone plainly does not keep it, however good the rest', () => {
		expect(taken([BAD, SAFE, SAFE, SAFE], false)).toEqual({ wrong: 0, moved: 0 });
	});

	it('what loses nothing whatever happens is not tested, so few queries do where votes gain', () => {
		// 60 of 600 gained and none lost: far fewer than losses alone would ask for at 0.1 points.
		const gains: Table = {
			size: 600,
			outcome: (_, threshold) => ({
				counts: { lost: 0, even: 600 - 60 * threshold, gained: 60 * threshold },
				expectedLoss: -0.1 * threshold,
				gpuUs: 1000 - 500 * threshold,
				skipped: 300 * threshold,
				stood: 300 * threshold,
				disagreed: 60 * threshold,
			}),
		};
		const rungs: Rungs = {
			skips: [0, 1],
			cuts: { reasoning: [], instruct: [], aggregator: [] },
			startIsFree: true,
		};
		for (const loss of [0, 0.001])
			expect(
				spendBudget([{ learned: gains, tested: gains, rungs, isChosen: true }], { ...BUDGET, loss }),
			).toMatchObject({
				threshold: 1,
				moved: true,
			});
	});
});

describe('both tests at once', () => {
	it('reject a true hypothesis no more often than alpha, summed over all outcomes', () => {
		for (const queries of [40, 70])
			for (const gained of [0.005, 0.03])
				for (const alpha of [0.01, 0.1]) {
					const chances = { lost: gained + 0.05, gained };
					const test = bothTests({ lost: 1, even: 0, gained: 1 }, 0.05, alpha);
					let chance = 0;
					for (const [counts, share] of outcomes(queries, chances))
						if (test(counts) <= alpha) chance += share;
					expect(chance).toBeLessThanOrEqual(alpha);
				}
	});
});

/** Every outcome of n draws and its chance, but for the rarest. */
function* outcomes(
	n: number,
	{ lost, gained }: { readonly lost: number; readonly gained: number },
): Generator<readonly [LossCounts, number]> {
	const logs = [0];
	for (let i = 1; i <= n; i++) logs.push((logs[i - 1] as number) + Math.log(i));
	const log = (i: number): number => logs[i] as number;
	for (let l = 0; l <= n; l++)
		for (let g = 0; l + g <= n; g++) {
			const rest = n - l - g;
			const power = l * Math.log(lost) + g * Math.log(gained) + rest * Math.log(1 - lost - gained);
			const chance = Math.exp(log(n) - log(l) - log(g) - log(rest) + power);
			if (chance > 1e-12) yield [{ lost: l, even: rest, gained: g }, chance];
		}
}

describe('past queries', () => {
	it('are learned from or tested on, never both, a quarter and the rest, whatever their order', () => {
		for (const count of [0, 1, 2, 3, 4, 5, 1000]) {
			const past = Array.from({ length: count }, (_, i) => i);
			const { learned, tested } = splitPast(past);
			expect(learned).toHaveLength(Math.ceil(count / 4));
			expect([...learned, ...tested].sort((a, b) => a - b)).toEqual(past);
		}
		const { learned } = splitPast(Array.from({ length: 4000 }, (_, i) => i));
		// Of a past that goes through sets of experts in turn, every set gets its part.
		for (const sets of [2, 3, 4, 5, 8])
			for (let set = 0; set < sets; set++) {
				const part = learned.filter((i) => i % sets === set).length;
				expect(Math.abs(part - 1000 / sets)).toBeLessThan(4.5 * Math.sqrt(1000 / sets));
			}
	});
});
