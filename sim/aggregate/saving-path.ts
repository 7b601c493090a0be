import { present } from '../domain/errors.ts';
import { type Cuts, NO_CUTS } from './past-row.ts';
import type { Outcome, PastTable } from './past-table.ts';

export interface Budget {
	/** Mean accuracy that may be lost, as a share: 0.001 is 0.1 points. */
	readonly loss: number;
	/** Chance that it is more all the same, taken over sets of past queries. */
	readonly alpha: number;
	/** Whether cuts may be bought with it. */
	readonly cuts: boolean;
}

export interface Configuration {
	readonly cuts: Cuts;
	/** A vote stands when its score is at most that. */
	readonly threshold: number;
}

export interface Step {
	readonly configuration: Configuration;
	readonly outcome: Outcome;
}

/** Past queries that can be asked what a configuration would have done to them. */
export type Table = Pick<PastTable, 'size' | 'outcome'>;

/** What may be tried. */
export interface Rungs {
	/** Thresholds of skip scores, rising; the first is where it begins. */
	readonly skips: readonly number[];
	/** Tokens, falling from where nothing is cut. */
	readonly cuts: Readonly<Record<keyof Cuts, readonly number[]>>;
	/** Where it begins nothing is ever skipped or cut, whatever the queries: that loses nothing and needs no test. */
	readonly startIsFree: boolean;
}

/** From the safest configuration to bolder ones, each step the one that saves most GPU time for what it costs of the budget. */
export const layPath = (learned: Table, testedSize: number, rungs: Rungs, budget: Budget): readonly Step[] =>
	new SavingPath(learned, testedSize, rungs, budget).lay();

/** The path, laid step by step on the learned queries. */
class SavingPath {
	private readonly learned: Table;
	private readonly budget: Budget;
	private readonly testedSize: number;
	private readonly ladders: readonly Ladder[];
	private readonly leastSavingUs: number;
	private step: Step;

	constructor(
		learned: Table,
		testedSize: number,
		{ skips: [threshold = Number.NEGATIVE_INFINITY, ...skips], cuts }: Rungs,
		budget: Budget,
	) {
		this.learned = learned;
		this.budget = budget;
		this.testedSize = testedSize;
		this.step = this.at({ cuts: NO_CUTS, threshold });
		this.leastSavingUs = LEAST_SAVING * this.step.outcome.gpuUs;
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
		const path = [this.step, ...this.votesAlone()];
		for (let next = this.nextStep(); next !== null; next = this.nextStep()) {
			this.step = next;
			path.push(next);
			if (this.risk(next.outcome) > FARTHEST * this.budget.loss) break;
		}
		return path;
	}

	/** Votes alone, as many as seem to keep the budget: where they are as good as the aggregator, a test is surer of many than of a few. */
	private votesAlone(): readonly Step[] {
		const [skips] = this.ladders;
		if (skips === undefined) return [];
		return skips.rungs
			.map((rung) => this.at(skips.move(this.step.configuration, rung)))
			.filter(({ outcome }) => this.risk(outcome) <= this.budget.loss);
	}

	/** The best of the next rungs of all ladders; those that seem to keep the budget come first. */
	private nextStep(): Step | null {
		const price = this.priceOf(this.step.outcome);
		const found = this.ladders.flatMap((ladder) => {
			const step = this.climb(ladder);
			if (step === null) return [];
			const savedUs = this.step.outcome.gpuUs - step.outcome.gpuUs;
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
			if (this.step.outcome.gpuUs - step.outcome.gpuUs >= this.leastSavingUs) return step;
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
		// Where few differ, the loss that scores expect may be more than those did.
		const variance = Math.max(0, (counts.lost + counts.gained) / total - expectedLoss ** 2);
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
