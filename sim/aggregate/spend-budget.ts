import { present } from '../domain/errors.ts';
import { bothTests, type LossCounts } from './loss-test.ts';
import type { Outcome } from './past-table.ts';
import {
	type Budget,
	type Configuration,
	layPath,
	type Rungs,
	type Step,
	type Table,
} from './saving-path.ts';

/** What the budget was spent on. */
export interface Spending extends Configuration {
	/** On the tested queries. */
	readonly outcome: Outcome;
	/** Whether what it began with keeps the budget: loses nothing whatever happens, or was shown to. */
	readonly holds: boolean;
	/** Whether it went any further. */
	readonly moved: boolean;
	/** Tested queries after which the first step would pass, about, were the future like what was learned; null when it never would, and when it moved. */
	readonly neededForFirst: number | null;
}

/**
 * Learn then Test: on some of the past queries a path of configurations is laid, from the safest to ever bolder ones; on the others those worth it are
 * tested in order, each for "loses the budget or more", and of the rejected ones the boldest is taken. Because the order does not depend on
 * the tested queries, hardly a correction for their number is needed: with probability at least 1 - alpha no configuration that loses more than
 * the budget is among the rejected ones. The budget is net: what votes gain over the aggregator may be spent elsewhere.
 *
 * Nothing is bought before what it begins with is shown to keep the budget, at the whole of alpha (serial gatekeeping: were that not so, every error would
 * begin with this one), unless that loses nothing whatever happens: then it is no hypothesis. The others are a fixed sequence with restarts (Wiens'
 * fallback procedure): most of alpha goes to the first, the rest to a few later ones; a level that rejects is handed on to the next hypothesis,
 * one that does not is lost, and a later one begins anew with its own share.
 * @source Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test: calibrating predictive algorithms to achieve risk control", 2021;
 * Wiens, "A fixed sequence Bonferroni procedure for testing multiple endpoints", Pharmaceutical Statistics 2003; the tests: loss-test.ts
 */
export function spendBudget(learned: Table, tested: Table, rungs: Rungs, budget: Budget): Spending {
	const path = layPath(learned, tested.size, rungs, budget);
	const start = present(path[0], 'first configuration');
	const trialOf = ({ configuration, outcome }: Step): Trial => {
		const trial = tested.outcome(configuration.cuts, configuration.threshold);
		const test = bothTests(expectedCounts(outcome, tested.size));
		return { configuration, outcome: trial, pValue: test(trial.counts, budget.loss, budget.alpha) };
	};
	const began = trialOf(start);
	const holds = rungs.startIsFree || began.pValue <= budget.alpha;
	const sequence = worthTesting(path, tested.size, budget);
	let taken = began;
	let level = 0;
	for (const { step, share } of holds ? sequence : []) {
		level += share * budget.alpha;
		if (level === 0) continue;
		const trial = trialOf(step);
		if (trial.pValue <= level) taken = trial;
		else level = 0;
	}
	const moved = taken !== began;
	const first = moved ? undefined : sequence[0]?.step.outcome;
	const { configuration, outcome } = taken;
	return {
		...configuration,
		outcome,
		holds,
		moved,
		neededForFirst: first === undefined ? null : neededQueries(first, budget),
	};
}

interface Trial extends Step {
	readonly pValue: number;
}

/**
 * What comes after the start: in the order in which a test is expected to be sure of them, those that save plainly more than all before: what is less sure
 * and saves no more is not worth the chance to stop there. Shares of alpha add up to at most 1.
 */
function worthTesting(
	[start, ...others]: readonly Step[],
	testedSize: number,
	{ loss, alpha }: Budget,
): readonly { readonly step: Step; readonly share: number }[] {
	if (start === undefined) return [];
	const expected = ({ outcome }: Step): number => {
		const counts = expectedCounts(outcome, testedSize);
		return bothTests(counts)(counts, loss, alpha);
	};
	const sorted = others
		.map((step) => ({ step, pValue: expected(step) }))
		.sort((a, b) => a.pValue - b.pValue || b.step.outcome.workUs - a.step.outcome.workUs);
	const chosen: typeof sorted = [];
	let leastUs = start.outcome.workUs;
	for (const each of sorted) {
		const { workUs } = each.step.outcome;
		if (workUs >= leastUs - WORTH_TESTING * start.outcome.workUs) continue;
		chosen.push(each);
		leastUs = workUs;
	}
	// Where nothing is expected to be so sure, the first has it all.
	const restarts = RESTARTS.map((most) =>
		Math.max(
			0,
			chosen.findLastIndex(({ pValue }) => pValue <= most),
		),
	);
	return chosen.map(({ step }, index) => {
		const own = restarts.filter((at) => at === index).length * RESTART_SHARE;
		return { step, share: index === 0 ? FIRST_SHARE + own : own };
	});
}

/** Share of all work that a configuration must save beyond the one tested before it. */
const WORTH_TESTING = 0.02;
/** Testing begins anew at the boldest configurations of which such p-values are expected, each with such a share of alpha. */
const RESTARTS = [0.001, 0.01];
const RESTART_SHARE = 0.2;
const FIRST_SHARE = 1 - RESTARTS.length * RESTART_SHARE;

/** The counts that `size` queries like these can be expected to show. */
function expectedCounts({ counts, expectedLoss }: Outcome, size: number): LossCounts {
	const { lost, even, gained } = counts;
	const differ = ((lost + gained) / Math.max(1, lost + even + gained)) * size;
	const net = expectedLoss * size;
	const expectedLost = Math.max(0, Math.round((differ + net) / 2));
	const expectedGained = Math.max(0, Math.round((differ - net) / 2));
	return { lost: expectedLost, even: size - expectedLost - expectedGained, gained: expectedGained };
}

/** Found by trying ever more, as nobody needs it exactly. */
function neededQueries(outcome: Outcome, { loss, alpha }: Budget): number | null {
	if (!(outcome.expectedLoss < loss)) return null;
	for (let size = FEWEST_NEEDED; size < MOST_NEEDED; size = Math.ceil(size * 1.25)) {
		const expected = expectedCounts(outcome, size);
		if (bothTests(expected)(expected, loss, alpha) <= FIRST_SHARE * alpha) return size;
	}
	return null;
}

const FEWEST_NEEDED = 10;
const MOST_NEEDED = 1e7;
