import type { PastQuery } from '../domain/calibration.ts';
import { type CallWork, callWorkUs } from './call-work.ts';
import type { LossCounts } from './loss-test.ts';
import { type Cuts, NO_CUTS, PastRow, type PastTerms, type RunSize, type State } from './past-row.ts';

export interface Outcome {
	readonly counts: LossCounts;
	/** Mean loss where every vote that stands costs what its score says in place of what it cost: less at the mercy of few queries. */
	readonly expectedLoss: number;
	/**
	 * GPU time that runs of these queries take at most, were all GPUs busy until only the longest chain of calls is left, as of any list schedule: that of all
	 * calls, and of all GPUs while it runs alone.
	 * @source Graham, "Bounds on multiprocessing timing anomalies", SIAM Journal on Applied Mathematics 1969
	 */
	readonly gpuUs: number;
	/** Queries whose vote stands and that are not audited. */
	readonly skipped: number;
	/** Queries whose vote stands or would stand, were they not audited, and those of them that the aggregator answers otherwise. */
	readonly stood: number;
	readonly disagreed: number;
}

/** Past queries ready to be asked what cuts and skips would have done to them. */
export class PastTable {
	readonly size: number;
	private readonly rows: readonly PastRow[];
	private readonly uncut: readonly State[];
	private readonly run: RunSize;
	private readonly replyWork: CallWork;
	private readonly sums = new Map<string, Sums>();
	private readonly levels = new Map<string, Level>();

	/** @param isAudited by place: queries whose votes never stand */
	constructor(past: readonly PastQuery[], terms: PastTerms, isAudited: (index: number) => boolean) {
		this.size = past.length;
		this.run = terms.run;
		this.replyWork = terms.work(terms.aggregator, 'aggregator');
		this.rows = past.map((query, index) => new PastRow(query, terms, isAudited(index)));
		this.uncut = this.rows.map((row) => row.state(NO_CUTS));
	}

	/** Losses and work when votes up to a threshold stand. */
	outcome(cuts: Cuts, threshold: number): Outcome {
		const sums = { ...this.uncutSums(threshold, cuts.aggregator) };
		const { touched, states } = this.level(cuts);
		for (let j = 0; j < touched.length; j++) {
			const i = touched[j] as number;
			this.add(sums, i, this.uncut[i] as State, threshold, cuts.aggregator, -1);
			this.add(sums, i, states[j] as State, threshold, cuts.aggregator, 1);
		}
		const { lost, gained, expectedLost, workUs } = sums;
		const counts = { lost, even: this.size - lost - gained, gained };
		const { skipped, stood, disagreed } = sums;
		return {
			counts,
			expectedLoss: expectedLost / Math.max(1, this.size),
			gpuUs: workUs + this.waitingUs(cuts, threshold, touched, states),
			skipped,
			stood,
			disagreed,
		};
	}

	/** GPU time while the longest of the run's chains are alone, for as many runs as these queries would make. */
	private waitingUs(
		cuts: Cuts,
		threshold: number,
		touched: readonly number[],
		states: readonly State[],
	): number {
		const { queries, gpus } = this.run;
		if (queries === 0) return 0;
		const chainsUs = new Float64Array(this.size);
		for (let i = 0, next = 0; i < this.size; i++) {
			const isTouched = touched[next] === i;
			const { told, longestUs } = (isTouched ? states[next] : this.uncut[i]) as State;
			if (isTouched) next++;
			const { isAudited, replyTokens } = this.rows[i] as PastRow;
			const isSkipped = told.score <= threshold && !isAudited;
			const answerTokens = isSkipped ? 0 : Math.min(replyTokens, cuts.aggregator);
			chainsUs[i] = longestUs + answerTokens * this.replyWork.aloneTokenUs;
		}
		const runs = this.size / queries;
		const longest = chainsUs.sort().subarray(-Math.max(FEWEST_CHAINS, Math.round(runs)));
		const meanUs = longest.reduce((sum, us) => sum + us, 0) / Math.max(1, longest.length);
		return runs * gpus * meanUs;
	}

	private uncutSums(threshold: number, replyCutTokens: number): Sums {
		const key = `${threshold}/${replyCutTokens}`;
		let sums = this.sums.get(key);
		if (sums === undefined) {
			sums = { lost: 0, gained: 0, expectedLost: 0, workUs: 0, skipped: 0, stood: 0, disagreed: 0 };
			for (let i = 0; i < this.size; i++)
				this.add(sums, i, this.uncut[i] as State, threshold, replyCutTokens, 1);
			this.sums.set(key, sums);
		}
		return sums;
	}

	/** Adds one query in one state to the sums, or takes it out again. */
	private add(
		sums: Sums,
		i: number,
		{ told, early, workUs, earlyWorkUs }: State,
		threshold: number,
		replyCutTokens: number,
		times: 1 | -1,
	): void {
		const row = this.rows[i] as PastRow;
		const isCut = row.replyTokens >= replyCutTokens;
		let isRight: number;
		let expectedRight: number;
		const stands = told.score <= threshold;
		if (stands) {
			sums.stood += times;
			if (isCut || told.disagree) sums.disagreed += times;
		}
		if (stands && !row.isAudited) {
			isRight = told.voteRight;
			expectedRight = told.expectedLoss === null ? isRight : told.rivalRight - told.expectedLoss;
			sums.skipped += times;
			sums.workUs += times * (early <= threshold ? earlyWorkUs : workUs);
		} else {
			isRight = isCut ? told.whenCutRight : told.replyRight;
			// Nobody knows who will end first: the worse of the two counts.
			if (told.either && !row.isAudited) isRight = Math.min(isRight, told.pairsRight);
			const replyTokens = Math.min(row.replyTokens, replyCutTokens);
			expectedRight = isRight;
			sums.workUs += times * (workUs + callWorkUs(this.replyWork, row.replyPromptTokens, replyTokens));
		}
		sums.expectedLost += times * (row.allRight - expectedRight);
		const loss = row.allRight - isRight;
		if (loss > 0) sums.lost += times;
		else if (loss < 0) sums.gained += times;
	}

	/** The queries that cuts change, and how. */
	private level(cuts: Cuts): Level {
		const key = `${cuts.reasoning}/${cuts.instruct}`;
		let level = this.levels.get(key);
		if (level !== undefined) return level;
		const touched: number[] = [];
		const states: State[] = [];
		for (const [i, row] of this.rows.entries()) {
			if (!row.isCutBy(cuts)) continue;
			touched.push(i);
			states.push(row.state(cuts));
		}
		level = { touched, states };
		this.levels.set(key, level);
		// Neighbours are asked for again, those far away are not.
		const [oldest] = this.levels.keys();
		if (this.levels.size > KEPT_LEVELS && oldest !== undefined) this.levels.delete(oldest);
		return level;
	}
}

const KEPT_LEVELS = 12;

/** One chain may be long by chance. */
const FEWEST_CHAINS = 2;

interface Sums {
	lost: number;
	gained: number;
	expectedLost: number;
	workUs: number;
	skipped: number;
	stood: number;
	disagreed: number;
}

interface Level {
	readonly touched: readonly number[];
	readonly states: readonly State[];
}
