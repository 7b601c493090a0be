import type { PastQuery } from '../domain/calibration.ts';
import type { ModelId } from '../domain/ids.ts';
import type { ModelClass } from '../domain/model.ts';
import type { Answer, CallRole } from '../domain/work.ts';
import type { CallWork } from './call-work.ts';
import { replyWithout } from './skip-scores.ts';
import { keyOf, type VoteCase, type VoteCases } from './vote-cases.ts';

/** Tokens after which a call is cut; Infinity: never. */
export type Cuts = Readonly<Record<ModelClass | 'aggregator', number>>;

export const NO_CUTS: Cuts = {
	reasoning: Number.POSITIVE_INFINITY,
	instruct: Number.POSITIVE_INFINITY,
	aggregator: Number.POSITIVE_INFINITY,
};

/** The run that is to be saved time. */
export interface RunSize {
	/** Of a batch; 0 where they arrive over time, so that nobody waits for the longest at the end. */
	readonly queries: number;
	readonly gpus: number;
}

export interface PastTerms {
	/** Null: never cut. */
	classOf(model: ModelId): ModelClass | null;
	work(model: ModelId, role: CallRole): CallWork;
	readonly aggregator: ModelId;
	/** What a query answers whose aggregator was cut. */
	answerWhenCut(answers: readonly Answer[], slots: readonly ModelId[]): Answer;
	/** A vote stands when its score is at most a threshold that is given later. */
	score(votes: VoteCase): number;
	/** The score is the accuracy that it is expected to cost to let the vote stand. */
	readonly isLoss: boolean;
	/** Vote or aggregator, as the order of the answers has it. */
	either(votes: VoteCase): boolean;
	readonly cases: VoteCases;
	readonly run: RunSize;
}

/** What is known of a query when some of its experts' calls were cut, whenever that was. 1: right, 0: wrong. */
interface Told {
	readonly score: number;
	/** Accuracy that the vote is expected to cost, where the score says so. */
	readonly expectedLoss: number | null;
	readonly either: boolean;
	readonly voteRight: number;
	/** Every answer that two experts gave. */
	readonly pairsRight: number;
	/** The aggregator, left to end; what stands in for it when it is cut. */
	readonly replyRight: number;
	readonly whenCutRight: number;
	/** What the expected loss is held against. */
	readonly rivalRight: number;
	/** The aggregator, left to end, answers otherwise than the vote. */
	readonly disagree: boolean;
	readonly answers: readonly Answer[];
	/** By the slot that ends last: the score at which the vote is certain before it. */
	readonly earlyScores: (number | undefined)[];
}

/** A query under certain cuts of its experts' calls. */
export interface State {
	readonly told: Told;
	readonly early: number;
	/** GPU time of all experts' calls, and of all but what the last would have spent alone. */
	readonly workUs: number;
	readonly earlyWorkUs: number;
	/** Wall time of its longest call, alone. */
	readonly longestUs: number;
}

/** A past query, ready to be asked what cuts would have done to it. */
export class PastRow {
	/** 1: the aggregator is right with nothing cut. */
	readonly allRight: number;
	readonly replyTokens: number;
	readonly replyPromptTokens: number;
	readonly isAudited: boolean;
	private readonly query: PastQuery;
	private readonly terms: PastTerms;
	private readonly key: string;
	/** Null: never cut. */
	private readonly classes: readonly (ModelClass | null)[];
	/** GPU time of a slot's call of n tokens: `prompt + perToken*n + perTokenSquared*n^2`. */
	private readonly works: readonly SlotWork[];
	private readonly longest: { reasoning: number; instruct: number };
	/** By the slots that were cut, one character each: bits would run out. */
	private readonly known = new Map<string, Told>();

	constructor(query: PastQuery, terms: PastTerms, isAudited: boolean) {
		const { slots, aggregator, answers, outputTokens } = query;
		this.query = query;
		this.terms = terms;
		this.isAudited = isAudited;
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
		let cutSlots = '';
		let last = 0;
		let most = -1;
		let before = 0;
		let workUs = 0;
		let longestUs = 0;
		for (let slot = 0; slot < outputTokens.length; slot++) {
			const own = outputTokens[slot] as number;
			const limit = this.limitOf(slot, cuts);
			if (own >= limit) cutSlots += String.fromCharCode(slot);
			const tokens = Math.min(own, limit);
			workUs += this.workOf(slot, tokens);
			longestUs = Math.max(longestUs, tokens * (this.works[slot] as SlotWork).aloneTokenUs);
			if (tokens >= most) {
				before = Math.max(before, most, 0);
				most = tokens;
				last = slot;
			} else before = Math.max(before, tokens);
		}
		const told = this.told(cutSlots, cuts);
		return {
			told,
			early: this.early(told, last),
			workUs,
			longestUs,
			earlyWorkUs: workUs - this.workOf(last, most) + this.workOf(last, before),
		};
	}

	private workOf(slot: number, tokens: number): number {
		const { promptUs, perTokenUs, perTokenSquaredUs } = this.works[slot] as SlotWork;
		return promptUs + tokens * (perTokenUs + perTokenSquaredUs * tokens);
	}

	private limitOf(slot: number, cuts: Cuts): number {
		const who = this.classes[slot] as ModelClass | null;
		return who === null ? Number.POSITIVE_INFINITY : cuts[who];
	}

	private told(cutSlots: string, cuts: Cuts): Told {
		let told = this.known.get(cutSlots);
		if (told === undefined) {
			told = this.tell(cuts);
			this.known.set(cutSlots, told);
		}
		return told;
	}

	private tell(cuts: Cuts): Told {
		const { query, terms } = this;
		const { slots } = query;
		const answers = query.answers.map((answer, slot) =>
			(query.outputTokens[slot] as number) >= this.limitOf(slot, cuts) ? null : answer,
		);
		const votes = terms.cases.of(slots, this.key, answers);
		const vote = answers[votes.leader] ?? null;
		const reply = query.aggregator?.answer(answers) ?? null;
		const score = terms.score(votes);
		return {
			score,
			expectedLoss: terms.isLoss && Number.isFinite(score) ? score : null,
			either: terms.either(votes),
			voteRight: this.right(vote),
			pairsRight: votes.repeated.every((slot) => this.right(answers[slot] ?? null) === 1) ? 1 : 0,
			replyRight: this.right(reply),
			whenCutRight: this.right(terms.answerWhenCut(answers, slots)),
			rivalRight: this.right(replyWithout(query.aggregator, answers, query.answers)),
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
	readonly aloneTokenUs: number;
}

const slotWork = (work: CallWork, promptTokens: number): SlotWork => ({
	promptUs: work.perPromptTokenUs * promptTokens,
	perTokenUs: work.perTokenUs + work.perContextTokenUs * promptTokens,
	perTokenSquaredUs: work.perContextTokenUs / 2,
	aloneTokenUs: work.aloneTokenUs,
});
