import { present } from '../domain/errors.ts';
import { bothTests, fewestQueries, type LossCounts } from './loss-test.ts';
import type { Outcome, PastTable } from './past-table.ts';
import { type Budget, type Configuration, layPath, type Rungs, type Step } from './saving-path.ts';

/** What the budget was spent on. */
export interface Spending extends Configuration {
	/** On the tested queries. */
	readonly outcome: Outcome;
	/** Whether what it began with was itself shown to keep the budget. */
	readonly holds: boolean;
	/** Whether it went any further. */
	readonly moved: boolean;
	/** Tested queries after which the first step would pass, were the future like what was learned; null when it never would. */
	readonly neededForFirst: number | null;
}

/**
 * Learn then Test: on some of the past queries a path of configurations is laid, from the safest to ever bolder ones; on the others those worth it are
 * tested in order, each for "loses the budget or more", and of the rejected ones the boldest is taken. Because the order does not depend on
 * the tested queries, hardly a correction for their number is needed: with probability at least 1 - alpha no configuration that loses more than
 * the budget is among the rejected ones. The budget is net: what votes gain over the aggregator may be spent elsewhere.
 *
 * The order is a fixed sequence with restarts (Wiens' fallback procedure): most of alpha goes to the first, the rest to a few later ones; a level that
 * rejects is handed on to the next hypothesis, one that does not is lost, and a later one begins anew with its own share.
 * @source Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test: calibrating predictive algorithms to achieve risk control", 2021;
 * Wiens, "A fixed sequence Bonferroni procedure for testing multiple endpoints", Pharmaceutical Statistics 2003; the tests: loss-test.ts
 */
export function spendBudget(learned: PastTable, tested: PastTable, rungs: Rungs, budget: Budget): Spending {
	const path = layPath(learned, tested.size, rungs, budget);
	const start = present(path[0], 'first configuration');
	let taken: Step | null = null;
	let moved = false;
	let level = 0;
	for (const [index, { step, share }] of worthTesting(path, tested.size, budget.loss).entries()) {
		const { configuration, outcome } = step;
		level += share * budget.alpha;
		if (level === 0) continue;
		const test = bothTests(expectedCounts(outcome, tested.size));
		const trial = tested.outcome(configuration.cuts, configuration.threshold);
		if (test(trial.counts, budget.loss) <= level) {
			taken = { configuration, outcome: trial };
			moved = index > 0;
		} else level = 0;
	}
	const { configuration } = taken ?? start;
	const first = path[1]?.outcome;
	return {
		...configuration,
		outcome: taken?.outcome ?? tested.outcome(configuration.cuts, configuration.threshold),
		holds: taken !== null,
		moved,
		neededForFirst: first === undefined ? null : neededQueries(first, budget),
	};
}

/**
 * The start, then in the order in which a test is expected to be sure of them those that save plainly more than all before: what is less sure and saves
 * no more is not worth the chance to stop there. Shares of alpha add up to at most 1.
 */
function worthTesting(
	[start, ...others]: readonly Step[],
	testedSize: number,
	budget: number,
): readonly { readonly step: Step; readonly share: number }[] {
	if (start === undefined) return [];
	const expected = ({ outcome }: Step): number => {
		const counts = expectedCounts(outcome, testedSize);
		return bothTests(counts)(counts, budget);
	};
	const sorted = others
		.map((step) => ({ step, pValue: expected(step) }))
		.sort((a, b) => a.pValue - b.pValue || b.step.outcome.workUs - a.step.outcome.workUs);
	const chosen = [{ step: start, pValue: 0 }];
	for (const each of sorted) {
		const before = present(chosen.at(-1), 'step').step.outcome.workUs;
		if (each.step.outcome.workUs < before - WORTH_TESTING * start.outcome.workUs) chosen.push(each);
	}
	const restarts = RESTARTS.map((most) => chosen.findLastIndex(({ pValue }) => pValue <= most));
	return chosen.map(({ step }, index) => {
		const own = restarts.filter((at) => at === index).length * RESTART_SHARE;
		return { step, share: index === 0 ? 1 - RESTARTS.length * RESTART_SHARE + own : own };
	});
}

/** Share of all work that a configuration must save beyond the one tested before it. */
const WORTH_TESTING = 0.02;
/** Testing begins anew at the boldest configurations of which such p-values are expected, each with such a share of alpha. */
const RESTARTS = [0.001, 0.01];
const RESTART_SHARE = 0.2;

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
		if (bothTests(expected)(expected, loss) <= alpha) return size;
	}
	return null;
}

const MOST_NEEDED = 1e7;
