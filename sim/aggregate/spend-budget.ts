import { present } from '../domain/errors.ts';
import { divideAlpha, type Hypothesis } from './divide-alpha.ts';
import { expectedCounts } from './expected-counts.ts';
import { bothTests } from './loss-test.ts';
import type { Outcome } from './past-table.ts';
import {
	type Budget,
	type Configuration,
	layPath,
	type Rungs,
	type Step,
	type Table,
} from './saving-path.ts';

/** Where to look for configurations: past queries under one rule of what stands, and what may be tried under it. */
export interface Search {
	readonly learned: Table;
	readonly tested: Table;
	readonly rungs: Rungs;
	/** The rule was made from the learned queries, so that it loses more on others. */
	readonly isChosen: boolean;
}

/** What the budget was spent on. */
export interface Spending extends Configuration {
	/** The search that found it, by place. */
	readonly search: number;
	/** On the tested queries. */
	readonly outcome: Outcome;
	/** Whether what it began with keeps the budget: loses nothing whatever happens, or was shown to. */
	readonly holds: boolean;
	/** Whether it went any further. */
	readonly moved: boolean;
	/** Tested queries after which some first step would pass, about, were the future like what was learned; null when none ever would, and when it moved. */
	readonly neededForFirst: number | null;
}

/**
 * Learn then Test: on some of the past queries a path of configurations is laid in each search, from the safest to ever bolder ones; on the others those
 * worth it are tested in order, each for "loses the budget or more", and of the rejected ones the boldest is taken. Because the order does not
 * depend on the tested queries, hardly a correction for their number is needed: with probability at least 1 - alpha no configuration that loses
 * more than the budget is among the rejected ones. The budget is net: what votes gain over the aggregator may be spent elsewhere.
 *
 * It begins where the first search does. Nothing is bought before that is shown to keep the budget, at the whole of alpha (serial gatekeeping: were
 * that not so, every error would begin with this one), unless it loses nothing whatever happens: then it is no hypothesis. The others are a fixed
 * sequence with restarts (Wiens' fallback procedure), one search after the other: each search has its share of alpha (divide-alpha.ts), most of
 * which goes to its first configuration, the rest to a few later ones; a level that rejects is handed on to the next hypothesis, one that does not is
 * lost, and a later one begins anew with its own share.
 * @source Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test: calibrating predictive algorithms to achieve risk control", 2021;
 * Wiens, "A fixed sequence Bonferroni procedure for testing multiple endpoints", Pharmaceutical Statistics 2003; the tests: loss-test.ts
 */
export function spendBudget(searches: readonly Search[], budget: Budget): Spending {
	const paths = searches.map(({ learned, tested, rungs }) => layPath(learned, tested.size, rungs, budget));
	const start = present(paths[0]?.[0], 'first configuration');
	const { rungs, tested } = present(searches[0], 'first search');
	const startUs = start.outcome.gpuUs;
	const trialOf = (search: number, { configuration, outcome }: Step): Trial => {
		const own = present(searches[search], 'search').tested;
		const trial = own.outcome(configuration.cuts, configuration.threshold);
		const test = bothTests(expectedCounts(outcome, own.size), budget.loss, budget.alpha);
		const pValue = test(trial.counts);
		return { search, configuration, outcome: trial, learnedUs: outcome.gpuUs, pValue };
	};
	const began = trialOf(0, start);
	const holds = rungs.startIsFree || began.pValue <= budget.alpha;
	const sequences = paths.map((path, index) => ({
		hypotheses: worthTesting(index === 0 ? path.slice(1) : path, startUs, tested.size, budget),
		isChosen: present(searches[index], 'search').isChosen,
	}));
	const shares = holds ? divideAlpha(sequences, startUs, tested.size, budget) : [];
	let taken = began;
	let level = 0;
	for (const [search, alphaShare] of shares.entries())
		for (const { step, share } of sequences[search]?.hypotheses ?? []) {
			level += share * alphaShare * budget.alpha;
			if (level === 0) continue;
			const trial = trialOf(search, step);
			if (trial.pValue > level) level = 0;
			else if (trial.learnedUs < taken.learnedUs) taken = trial;
		}
	const moved = taken !== began;
	const firsts = moved ? [] : sequences.flatMap(({ hypotheses }) => hypotheses.slice(0, 1));
	const needed = firsts.flatMap(({ step }) => neededQueries(step.outcome, budget) ?? []);
	// One that should have passed, and did not, says nothing of the others.
	const more = needed.filter((queries) => queries > tested.size);
	const { search, configuration, outcome } = taken;
	return {
		...configuration,
		search,
		outcome,
		holds,
		moved,
		neededForFirst: needed.length === 0 ? null : Math.min(...(more.length > 0 ? more : needed)),
	};
}

interface Trial extends Step {
	readonly search: number;
	/** Work on the learned queries. */
	readonly learnedUs: number;
	readonly pValue: number;
}

/**
 * In the order in which a test is expected to be sure of them, those that save plainly more than all before: what is less sure and saves no more is not
 * worth the chance to stop there. Shares of alpha add up to at most 1.
 */
function worthTesting(
	steps: readonly Step[],
	startUs: number,
	testedSize: number,
	{ loss, alpha }: Budget,
): readonly Hypothesis[] {
	const expected = ({ outcome }: Step): number => {
		const counts = expectedCounts(outcome, testedSize);
		return bothTests(counts, loss, alpha)(counts);
	};
	const sorted = steps
		.map((step) => ({ step, pValue: expected(step) }))
		.sort((a, b) => a.pValue - b.pValue || b.step.outcome.gpuUs - a.step.outcome.gpuUs);
	const chosen: typeof sorted = [];
	let leastUs = startUs;
	for (const each of sorted) {
		const { gpuUs } = each.step.outcome;
		if (gpuUs >= leastUs - WORTH_TESTING * startUs) continue;
		chosen.push(each);
		leastUs = gpuUs;
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

/** Found by trying ever more, as nobody needs it exactly. */
function neededQueries(outcome: Outcome, { loss, alpha }: Budget): number | null {
	if (!(outcome.expectedLoss < loss)) return null;
	for (let size = FEWEST_NEEDED; size < MOST_NEEDED; size = Math.ceil(size * 1.25)) {
		const expected = expectedCounts(outcome, size);
		if (bothTests(expected, loss, alpha)(expected) <= FIRST_SHARE * alpha) return size;
	}
	return null;
}

const FEWEST_NEEDED = 10;
const MOST_NEEDED = 1e7;
