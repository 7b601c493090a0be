import { present } from '../domain/errors.ts';
import { betterTest, fewestQueries, type LossCounts } from './loss-test.ts';
import { type Cuts, NO_CUTS, type Outcome, type PastTable } from './past-table.ts';

export interface Budget {
	/** Mean accuracy that may be lost, as a share: 0.001 is 0.1 points. */
	readonly loss: number;
	/** Chance that it is more all the same, taken over sets of past queries. */
	readonly alpha: number;
	/** Whether cuts may be bought with it. */
	readonly cuts: boolean;
}

/** What the budget was spent on. */
export interface Spending {
	readonly cuts: Cuts;
	/** A vote stands when its score is at most that. */
	readonly threshold: number;
	/** On the tested queries. */
	readonly outcome: Outcome;
	/** Whether what it began with was itself shown to keep the budget. */
	readonly holds: boolean;
	/** GPU time of all calls there. */
	readonly startUs: number;
	/** Steps taken from there. */
	readonly steps: number;
	/** Tested queries after which the first step would pass, were the future like what was learned; null when it never would. */
	readonly neededForFirst: number | null;
}

/**
 * Learn then Test, in a fixed sequence: on some of the past queries a path is laid from the safest configuration to bolder ones, each step the one that
 * saves most GPU time for what it risks; on the others the configurations are tested in that order, each for "loses the budget or
 * more", until one is not rejected; the last that was rejected is taken. Because the order does not depend on the tested queries, no
 * correction for the many configurations is needed: the one that is taken loses more than the budget with probability at most alpha. The
 * budget is net: what votes gain over the aggregator may be spent elsewhere.
 * @param skips thresholds of skip scores that may be tried, rising; the first is where it begins
 * @source Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test: calibrating predictive algorithms to achieve risk control", 2021,
 * fixed-sequence testing; the tests: loss-test.ts
 */
export function spendBudget(
	learned: PastTable,
	tested: PastTable,
	skips: readonly number[],
	cuts: Readonly<Record<keyof Cuts, readonly number[]>>,
	budget: Budget,
): Spending {
	const path = [...new SavingPath(learned, skips, cuts, budget, tested.size).lay()];
	if ((OPT() as any).B && budget.cuts)
		path.push(...new SavingPath(learned, skips.slice(0, 1), cuts, budget, tested.size).lay().slice(1));
	const start = present(path[0], 'first configuration');
	let taken: Step | null = null;
	let steps = -1;
	let level = 0;
	for (const [index, { configuration, outcome, share }] of worthTesting(
		path,
		tested.size,
		budget.loss,
	).entries()) {
		level += share * budget.alpha;
		if (level === 0) continue;
		const test = betterTest(expectedCounts(outcome, tested.size), budget.loss);
		const trial = tested.outcome(configuration.cuts, configuration.threshold);
		if (test(trial.counts, budget.loss) <= level) {
			taken = { configuration, outcome: trial };
			steps = index;
		} else level = 0;
	}
	const { configuration } = taken ?? start;
	const first = path[1]?.outcome;
	return {
		...configuration,
		outcome: taken?.outcome ?? tested.outcome(configuration.cuts, configuration.threshold),
		holds: taken !== null,
		startUs: tested.outcome(start.configuration.cuts, start.configuration.threshold).workUs,
		steps: Math.max(0, steps),
		neededForFirst: first === undefined ? null : neededQueries(first, budget),
	};
}

/**
 * The start, then in the order in which a test is expected to be sure of them those that save more than all before: what is less sure and saves less
 * is not worth the chance to stop there.
 */
function worthTesting(
	[start, ...others]: readonly Step[],
	testedSize: number,
	budget: number,
): readonly (Step & { readonly share: number })[] {
	const expected = ({ outcome }: Step): number => {
		const counts = expectedCounts(outcome, testedSize);
		return betterTest(counts, budget)(counts, budget);
	};
	const sorted = others
		.map((step) => ({ step, pValue: expected(step) }))
		.sort((a, b) => a.pValue - b.pValue || b.step.outcome.workUs - a.step.outcome.workUs);
	const chosen = start === undefined ? [] : [{ ...start, share: 1, pValue: 0 }];
	const leastUs = OPT().WORTH * (start?.outcome.workUs ?? 0);
	for (const { step, pValue } of sorted)
		if (step.outcome.workUs < (chosen.at(-1)?.outcome.workUs ?? 0) - leastUs)
			chosen.push({ ...step, share: 0, pValue });
	for (const r of OPT().RE) {
		const at = chosen.findLastIndex((each, i) => i > 1 && each.pValue <= r);
		if (at > 0) {
			(chosen[at] as any).share += OPT().SHARE;
			(chosen[0] as any).share -= OPT().SHARE;
		}
	}
	return chosen;
}

const OPT = (): any => (globalThis as any).OPT ?? { WORTH: 0.02, RE: [], SHARE: 0 };

/** The counts that `size` queries like these can be expected to show. */
function expectedCounts({ counts, expectedLoss }: Outcome, size: number): LossCounts {
	const { lost, even, gained } = counts;
	const differ = ((lost + gained) / Math.max(1, lost + even + gained)) * size;
	const net = expectedLoss * size;
	const expectedLost = Math.max(0, Math.round((differ + net) / 2));
	const expectedGained = Math.max(0, Math.round((differ - net) / 2));
	return { lost: expectedLost, even: size - expectedLost - expectedGained, gained: expectedGained };
}

/** Found by doubling, as nobody needs it exactly. */
function neededQueries(outcome: Outcome, { loss, alpha }: Budget): number | null {
	const fewest = fewestQueries(loss, alpha);
	if (!(outcome.expectedLoss < loss) || !Number.isFinite(fewest)) return null;
	for (let size = fewest; size < MOST_NEEDED; size = Math.ceil(size * 1.25)) {
		const expected = expectedCounts(outcome, size);
		if (betterTest(expected, loss)(expected, loss) <= alpha) return size;
	}
	return null;
}

const MOST_NEEDED = 1e7;

interface Configuration {
	readonly cuts: Cuts;
	readonly threshold: number;
}

interface Step {
	readonly configuration: Configuration;
	readonly outcome: Outcome;
}

/** The path, laid step by step on the learned queries. */
class SavingPath {
	private readonly learned: PastTable;
	private readonly budget: Budget;
	private readonly testedSize: number;
	private readonly ladders: readonly Ladder[];
	private readonly leastSavingUs: number;
	private step: Step;

	constructor(
		learned: PastTable,
		[threshold = Number.NEGATIVE_INFINITY, ...skips]: readonly number[],
		cuts: Readonly<Record<keyof Cuts, readonly number[]>>,
		budget: Budget,
		testedSize: number,
	) {
		this.learned = learned;
		this.budget = budget;
		this.testedSize = testedSize;
		this.step = this.at({ cuts: NO_CUTS, threshold });
		this.leastSavingUs = LEAST_SAVING * this.step.outcome.workUs;
		const cutLadder = (who: keyof Cuts): Ladder => ({
			rungs: cuts[who],
			next: 0,
			move: (from, tokens) => ({ ...from, cuts: { ...from.cuts, [who]: tokens } }),
		});
		this.ladders = [
			{ rungs: skips, next: 0, move: (from, skip) => ({ ...from, threshold: skip }) },
			...(budget.cuts ? (['reasoning', 'instruct', 'aggregator'] as const).map(cutLadder) : []),
		];
	}

	lay(): readonly Step[] {
		const path = [this.step];
		for (let next = this.nextStep(); next !== null; next = this.nextStep()) {
			this.step = next;
			path.push(next);
			if (this.risk(next.outcome) > FARTHEST * this.budget.loss) break;
		}
		return path;
	}

	/** The best of the next rungs of all ladders; those that seem to keep the budget come first. */
	private nextStep(): Step | null {
		const price = this.priceOf(this.step.outcome);
		const found = this.ladders.flatMap((ladder) => {
			const step = this.climb(ladder);
			if (step === null) return [];
			const savedUs = this.step.outcome.workUs - step.outcome.workUs;
			const fits = this.risk(step.outcome) <= this.budget.loss;
			return [{ ladder, step, savedUs, price: this.priceOf(step.outcome) - price, fits }];
		});
		const fitting = found.filter(({ fits }) => fits);
		const candidates = fitting.length > 0 ? fitting : found;
		const free = candidates.filter(({ price }) => price <= 0);
		const [best] =
			free.length > 0
				? free.sort((a, b) => b.savedUs - a.savedUs)
				: candidates.sort((a, b) => b.savedUs / b.price - a.savedUs / a.price);
		if (best === undefined) return null;
		best.ladder.next++;
		return best.step;
	}

	/** To the next rung that saves something; those that do not are left out for good. */
	private climb(ladder: Ladder): Step | null {
		for (; ladder.next < ladder.rungs.length; ladder.next++) {
			const rung = present(ladder.rungs[ladder.next], 'rung');
			const step = this.at(ladder.move(this.step.configuration, rung));
			if (this.step.outcome.workUs - step.outcome.workUs >= this.leastSavingUs) return step;
		}
		return null;
	}

	private at(configuration: Configuration): Step {
		return { configuration, outcome: this.learned.outcome(configuration.cuts, configuration.threshold) };
	}

	/**
	 * What the steps so far cost of the budget, so that the prices of steps add up: the mean loss and, for what more scatter asks of a
	 * test, a part of the variance (the exponent of a Chernoff bound, at the rate that is best where the budget is about spent).
	 */
	private priceOf({ counts, expectedLoss }: Outcome): number {
		const total = Math.max(1, counts.lost + counts.even + counts.gained);
		const rate = Math.sqrt(
			(2 * Math.log(1 / this.budget.alpha)) / (Math.max(1, this.testedSize) * USUAL_VARIANCE),
		);
		return expectedLoss + (rate / 2) * ((counts.lost + counts.gained) / total);
	}

	/** Loss that a test on the other queries can be expected not to rule out, about. */
	private risk({ counts, expectedLoss }: Outcome): number {
		const total = Math.max(1, counts.lost + counts.even + counts.gained);
		const size = Math.max(1, this.testedSize);
		const variance = (counts.lost + counts.gained) / total - expectedLoss ** 2;
		const lost = (counts.lost / total) * size;
		const net = expectedLoss + DEVIATIONS * Math.sqrt(variance / size);
		return Math.min(net, (lost + DEVIATIONS * Math.sqrt(lost)) / size);
	}
}

/** One way to be bolder, rung by rung. */
interface Ladder {
	readonly rungs: readonly number[];
	next: number;
	move(from: Configuration, rung: number): Configuration;
}

/** Share of all work below which a step is not worth a test. */
const LEAST_SAVING = 0.001;
/** The path ends where the risk is so many budgets: the test will have stopped long before. */
const FARTHEST = 2;
/** Share of queries on which gate and aggregator differ in being right, where the budget is about spent. */
const USUAL_VARIANCE = 0.02;
/** Standard deviations that the tests ask for at 90 %, with what they take for not knowing them. */
const DEVIATIONS = 1.45;
