import type { PastQuery } from '../domain/calibration.ts';
import type { ModelId } from '../domain/ids.ts';
import type { ModelClass } from '../domain/model.ts';
import type { Answer, CallRole } from '../domain/work.ts';
import { type CallWork, callWorkUs } from './call-work.ts';
import type { LossCounts } from './loss-test.ts';
import { keyOf, type VoteCase, type VoteCases } from './vote-cases.ts';

/** Tokens after which a call is cut; Infinity: never. */
export type Cuts = Readonly<Record<ModelClass | 'aggregator', number>>;

export const NO_CUTS: Cuts = {
	reasoning: Number.POSITIVE_INFINITY,
	instruct: Number.POSITIVE_INFINITY,
	aggregator: Number.POSITIVE_INFINITY,
};

export interface PastTerms {
	classOf(model: ModelId): ModelClass;
	work(model: ModelId, role: CallRole): CallWork;
	readonly aggregator: ModelId;
	/** What a query answers whose aggregator was cut. */
	answerWhenCut(answers: readonly Answer[], slots: readonly ModelId[]): Answer;
	/** A vote stands when its score is at most a threshold that is given later. */
	score(votes: VoteCase): number;
	/** Vote or aggregator, as the order of the answers has it. */
	either(votes: VoteCase): boolean;
	readonly cases: VoteCases;
}

export interface Outcome {
	readonly counts: LossCounts;
	/** Mean loss where every vote that stands costs what its score says in place of what it cost: less at the mercy of few queries. */
	readonly expectedLoss: number;
	/** GPU time of all calls. */
	readonly workUs: number;
	/** Queries whose vote stands, and those of them that the aggregator would have answered otherwise. */
	readonly skipped: number;
	readonly disagreed: number;
}

/** Past queries ready to be asked what cuts and skips would have done to them. */
export class PastTable {
	readonly size: number;
	private readonly rows: readonly PastRow[];
	private readonly uncut: readonly State[];
	private readonly replyWork: CallWork;
	private readonly sums = new Map<string, Sums>();
	private readonly levels = new Map<string, Level>();

	constructor(past: readonly PastQuery[], terms: PastTerms) {
		this.size = past.length;
		this.replyWork = terms.work(terms.aggregator, 'aggregator');
		this.rows = past.map((query) => new PastRow(query, terms));
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
		const { lost, gained, expectedLost, workUs, skipped, disagreed } = sums;
		const counts = { lost, even: this.size - lost - gained, gained };
		return { counts, expectedLoss: expectedLost / Math.max(1, this.size), workUs, skipped, disagreed };
	}

	private uncutSums(threshold: number, replyCutTokens: number): Sums {
		const key = `${threshold}/${replyCutTokens}`;
		let sums = this.sums.get(key);
		if (sums === undefined) {
			sums = { lost: 0, gained: 0, expectedLost: 0, workUs: 0, skipped: 0, disagreed: 0 };
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
		if (told.score <= threshold) {
			isRight = told.voteRight;
			expectedRight = Number.isFinite(told.score) ? told.replyRight - told.score : isRight;
			sums.skipped += times;
			if (isCut || told.disagree) sums.disagreed += times;
			sums.workUs += times * (early <= threshold ? earlyWorkUs : workUs);
		} else {
			isRight = isCut ? told.whenCutRight : told.replyRight;
			// Nobody knows who will end first: the worse of the two counts.
			if (told.either) isRight = Math.min(isRight, told.pairsRight);
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

interface Sums {
	lost: number;
	gained: number;
	expectedLost: number;
	workUs: number;
	skipped: number;
	disagreed: number;
}

interface Level {
	readonly touched: readonly number[];
	readonly states: readonly State[];
}

/** What is known of a query when some of its experts' calls were cut, whenever that was. 1: right, 0: wrong. */
interface Told {
	readonly score: number;
	readonly either: boolean;
	readonly voteRight: number;
	/** Every answer that two experts gave. */
	readonly pairsRight: number;
	/** The aggregator, left to end; what stands in for it when it is cut. */
	readonly replyRight: number;
	readonly whenCutRight: number;
	/** The aggregator, left to end, answers otherwise than the vote. */
	readonly disagree: boolean;
	readonly answers: readonly Answer[];
	/** By the slot that ends last: the score at which the vote is certain before it. */
	readonly earlyScores: (number | undefined)[];
}

/** A query under certain cuts of its experts' calls. */
interface State {
	readonly told: Told;
	readonly early: number;
	/** GPU time of all experts' calls, and of all but what the last would have spent alone. */
	readonly workUs: number;
	readonly earlyWorkUs: number;
}

class PastRow {
	/** 1: the aggregator is right with nothing cut. */
	readonly allRight: number;
	readonly replyTokens: number;
	readonly replyPromptTokens: number;
	private readonly query: PastQuery;
	private readonly terms: PastTerms;
	private readonly key: string;
	private readonly classes: readonly ModelClass[];
	/** GPU time of a slot's call of n tokens: `prompt + perToken*n + perTokenSquared*n^2`. */
	private readonly works: readonly SlotWork[];
	private readonly longest: { reasoning: number; instruct: number };
	/** By the slots that were cut, as bits. */
	private readonly known = new Map<number, Told>();

	constructor(query: PastQuery, terms: PastTerms) {
		const { slots, aggregator, answers, outputTokens } = query;
		this.query = query;
		this.terms = terms;
		this.key = keyOf(slots);
		this.allRight = this.right(aggregator?.answer(answers) ?? null);
		this.replyTokens = aggregator?.outputTokens ?? 0;
		this.replyPromptTokens = aggregator?.promptTokens ?? 0;
		this.classes = slots.map((model) => terms.classOf(model));
		this.works = slots.map((model, slot) =>
			slotWork(terms.work(model, 'expert'), query.slotPromptTokens[slot] as number),
		);
		const longest = (who: ModelClass): number =>
			outputTokens.reduce(
				(most, each, slot) => (this.classes[slot] === who ? Math.max(most, each) : most),
				0,
			);
		this.longest = { reasoning: longest('reasoning'), instruct: longest('instruct') };
	}

	isCutBy(cuts: Cuts): boolean {
		return this.longest.reasoning >= cuts.reasoning || this.longest.instruct >= cuts.instruct;
	}

	state(cuts: Cuts): State {
		const { outputTokens } = this.query;
		let mask = 0;
		let last = 0;
		let most = -1;
		let before = 0;
		let workUs = 0;
		for (let slot = 0; slot < outputTokens.length; slot++) {
			const own = outputTokens[slot] as number;
			const limit = this.classes[slot] === 'reasoning' ? cuts.reasoning : cuts.instruct;
			// Bits of a double, so that any number of slots has its mask.
			if (own >= limit) mask += 2 ** slot;
			const tokens = Math.min(own, limit);
			workUs += this.workOf(slot, tokens);
			if (tokens >= most) {
				before = Math.max(before, most, 0);
				most = tokens;
				last = slot;
			} else before = Math.max(before, tokens);
		}
		const told = this.told(mask, cuts);
		return {
			told,
			early: this.early(told, last),
			workUs,
			earlyWorkUs: workUs - this.workOf(last, most) + this.workOf(last, before),
		};
	}

	private workOf(slot: number, tokens: number): number {
		const { promptUs, perTokenUs, perTokenSquaredUs } = this.works[slot] as SlotWork;
		return promptUs + tokens * (perTokenUs + perTokenSquaredUs * tokens);
	}

	private told(mask: number, cuts: Cuts): Told {
		let told = this.known.get(mask);
		if (told === undefined) {
			told = this.tell(cuts);
			this.known.set(mask, told);
		}
		return told;
	}

	private tell(cuts: Cuts): Told {
		const { query, terms } = this;
		const { slots } = query;
		const answers = query.answers.map((answer, slot) =>
			(query.outputTokens[slot] as number) >= cuts[this.classes[slot] as ModelClass] ? null : answer,
		);
		const votes = terms.cases.of(slots, this.key, answers);
		const vote = answers[votes.leader] ?? null;
		const reply = query.aggregator?.answer(answers) ?? null;
		return {
			score: terms.score(votes),
			either: terms.either(votes),
			voteRight: this.right(vote),
			pairsRight: votes.repeated.every((slot) => this.right(answers[slot] ?? null) === 1) ? 1 : 0,
			replyRight: this.right(reply),
			whenCutRight: this.right(terms.answerWhenCut(answers, slots)),
			disagree: reply !== vote,
			answers,
			earlyScores: [],
		};
	}

	private early({ answers, earlyScores }: Told, last: number): number {
		let early = earlyScores[last];
		if (early === undefined) {
			const { cases, score } = this.terms;
			const before = answers.map((answer, slot) => (slot === last ? undefined : answer));
			const foreseen = cases.completions(this.query.slots, this.key, before);
			early = foreseen === null ? Number.POSITIVE_INFINITY : Math.max(...foreseen.map(score));
			earlyScores[last] = early;
		}
		return early;
	}

	private right(answer: Answer): number {
		return answer === this.query.correctAnswer ? 1 : 0;
	}
}

interface SlotWork {
	readonly promptUs: number;
	readonly perTokenUs: number;
	readonly perTokenSquaredUs: number;
}

const slotWork = (work: CallWork, promptTokens: number): SlotWork => ({
	promptUs: work.perPromptTokenUs * promptTokens,
	perTokenUs: work.perTokenUs + work.perContextTokenUs * promptTokens,
	perTokenSquaredUs: work.perContextTokenUs / 2,
});
