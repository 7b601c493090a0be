import type {
	AuditEvidence,
	Calibration,
	CutTokens,
	GateEvidence,
	GateOptions,
	PastQuery,
} from '../domain/calibration.ts';
import type { ModelId, QueryId } from '../domain/ids.ts';
import type { Model, ModelClass } from '../domain/model.ts';
import type { Answer, CallRole, Gate, GateDecision, Query } from '../domain/work.ts';
import { DriftWatch } from './audit.ts';
import { cutRungs, longOutputs, skipRungs } from './boldness.ts';
import type { CallWork } from './call-work.ts';
import { hashShare } from './hash-share.ts';
import { fewestQueries, meanLoss, shareUpperBound } from './loss-test.ts';
import { type Cuts, PastTable, type PastTerms } from './past-table.ts';
import type { Budget } from './saving-path.ts';
import { learnScores, type SkipScore } from './skip-scores.ts';
import { type Spending, spendBudget } from './spend-budget.ts';
import { keyOf, type VoteCase, VoteCases } from './vote-cases.ts';
import { countVotes } from './votes.ts';

/** What a gate needs beyond its name to spend an accuracy budget. */
export interface GateContext {
	readonly calibration: Calibration;
	readonly options: GateOptions;
	/** Whether the scheduler cuts calls at `cutTokens`. */
	readonly takesCuts: boolean;
	readonly models: readonly Pick<Model, 'id' | 'modelClass'>[];
	/** Null in an experiment without one: then there is nothing to skip and nothing to compare with. */
	readonly aggregator: ModelId | null;
	/** GPU time of calls, for weighing what saves most. */
	readonly work: (model: ModelId, role: CallRole) => CallWork;
	/** For choosing what is audited. */
	readonly seed: number;
}

/** A gate of its own that skips and cuts are added to; null: all is learned (`calibrated`). */
export type OwnRule = Pick<Gate, 'decide' | 'foresee'> | null;

/**
 * A gate that spends an accuracy budget, shown on past queries, on cuts and, when it has no rule of its own, on skips; and that audits.
 * Past queries are asked for when it is first asked anything.
 * @param either which votes stand or not as the order of the answers has it, for a rule that decides before the last answer
 */
export function budgetGate(
	name: string,
	own: OwnRule,
	either: (answers: readonly Answer[]) => boolean,
	context: GateContext,
): Gate {
	return new BudgetGate(name, own, either, context);
}

/** Every fourth past query is learned from: a path needs less than the test. */
const LEARN_EVERY = 4;

/** A decision that leaves the query open. */
const OPEN: GateDecision = { verdict: 'open', answer: null };

interface Spent extends Spending {
	readonly learned: number;
	readonly tested: number;
	readonly score: SkipScore;
	/** Of each expert that was learned about, how often it was right. */
	readonly strengths: ReadonlyMap<ModelId, number>;
}

class BudgetGate implements Gate {
	readonly name: string;
	private readonly own: OwnRule;
	private readonly either: (answers: readonly Answer[]) => boolean;
	private readonly context: GateContext;
	private readonly classes: ReadonlyMap<ModelId, ModelClass>;
	private readonly cases = new VoteCases();
	private readonly budget: Budget;
	private watch: DriftWatch | null = null;
	private known: Spent | null = null;

	constructor(
		name: string,
		own: OwnRule,
		either: (answers: readonly Answer[]) => boolean,
		context: GateContext,
	) {
		const { options } = context;
		this.name = name;
		this.own = own;
		this.either = either;
		this.context = context;
		this.classes = new Map(context.models.map(({ id, modelClass }) => [id, modelClass]));
		this.budget = {
			loss: options.budgetPoints / 100,
			alpha: 1 - options.confidence,
			cuts: options.cuts && context.takesCuts,
		};
	}

	decide(answers: readonly (Answer | undefined)[], query: Query): GateDecision {
		if (this.isAudited(query.id)) return this.decideAudited(answers, query);
		if (this.own !== null && !this.hasDrifted) return this.own.decide(answers, query);
		if (!allEnded(answers)) return OPEN;
		const { answer } = countVotes(answers);
		return { verdict: this.stands(answers, query) ? 'accept' : 'aggregate', answer };
	}

	foresee(answers: readonly (Answer | undefined)[], query: Query): string | undefined {
		if (this.hasDrifted || this.isAudited(query.id)) return undefined;
		if (this.own !== null) return this.own.foresee(answers, query);
		const { answer } = countVotes(answers);
		if (answer === null) return undefined;
		const cases = this.cases.completions(query.slots, keyOf(query.slots), answers);
		const { score, threshold } = this.spent;
		return cases?.every((votes) => score(votes) <= threshold) ? answer : undefined;
	}

	cutTokens({ model, role }: { readonly model: ModelId; readonly role: CallRole }): number {
		if (!this.budget.cuts || this.hasDrifted) return NEVER;
		const { cuts, strengths } = this.spent;
		if (role === 'aggregator') return cuts.aggregator;
		const modelClass = this.classes.get(model);
		return modelClass === undefined || !strengths.has(model) ? NEVER : cuts[modelClass];
	}

	answerWhenCut(answers: readonly (Answer | undefined)[], query: Query): Answer {
		return strongestAnswer(answers, query.slots, this.spent.strengths);
	}

	observe(answers: readonly (Answer | undefined)[], _query: Query, aggregatorAnswer: Answer): void {
		this.drift.observe(aggregatorAnswer !== countVotes(answers).answer);
	}

	evidence(): GateEvidence {
		const { calibration, options } = this.context;
		const { spent } = this;
		const { learned, tested, outcome, cuts, moved, holds } = spent;
		const skippedShare = outcome.skipped / Math.max(1, tested);
		const spends = moved || (holds && this.own !== null && skippedShare > 0);
		// What aggregates everything and cuts nothing loses nothing.
		const isFree = skippedShare === 0 && !moved;
		const { note, queriesNeeded } = spends ? SPENDS : this.whyNothing();
		return {
			source: calibration.source,
			learned,
			tested,
			budgetPoints: options.budgetPoints,
			confidence: options.confidence,
			skippedShare,
			cutTokens: shownCuts(cuts),
			lossPoints: 100 * meanLoss(outcome.counts),
			lossBoundPoints: spends ? options.budgetPoints : isFree ? 0 : null,
			note,
			queriesNeeded,
			audit: this.auditEvidence(),
		};
	}

	private auditEvidence(): AuditEvidence | null {
		return this.context.options.auditShare > 0 ? this.drift.evidence() : null;
	}

	/** Why the budget is not spent, and how many past queries would change that. */
	private whyNothing(): Pick<GateEvidence, 'note' | 'queriesNeeded'> {
		const { calibration, options, aggregator } = this.context;
		const { learned, tested, holds, neededForFirst } = this.spent;
		if (aggregator === null) return { note: 'no aggregator to skip or to compare with', queriesNeeded: null };
		const promise = `${options.budgetPoints} points at ${100 * options.confidence} % confidence`;
		const fewest = fewestQueries(this.budget.loss, this.budget.alpha);
		const inAll = (queries: number): number => Math.ceil((queries * LEARN_EVERY) / (LEARN_EVERY - 1));
		if (tested < fewest) {
			const needed = Number.isFinite(fewest) ? inAll(fewest) : null;
			const words = needed === null ? 'no number of them would do' : `at least ${needed} are needed`;
			return {
				note: `${calibration.source} (${tested} to test on, ${learned} to learn from) are too few to promise ${promise}: ${words}`,
				queriesNeeded: needed,
			};
		}
		if (this.own !== null && !holds)
			return {
				note: `${this.name} alone was not shown to cost less than ${promise} on ${calibration.source}`,
				queriesNeeded: null,
			};
		// That fewer would have done, had the tested ones been like the learned ones, helps nobody.
		const needed = neededForFirst === null || neededForFirst <= tested ? null : inAll(neededForFirst);
		const words = needed === null ? '' : `: about ${needed} might do`;
		return {
			note: `nothing that saves work was shown to cost less than ${promise} on ${calibration.source}${words}`,
			queriesNeeded: needed,
		};
	}

	/** It waits for all answers, goes to the aggregator, and says whether it would have skipped that. */
	private decideAudited(answers: readonly (Answer | undefined)[], query: Query): GateDecision {
		if (!allEnded(answers)) return OPEN;
		const { answer } = countVotes(answers);
		const decision: GateDecision = { verdict: 'aggregate', answer };
		return this.wouldStand(answers, query) ? { ...decision, audit: true } : decision;
	}

	private wouldStand(answers: readonly Answer[], query: Query): boolean {
		if (this.own === null) return this.stands(answers, query);
		return !this.hasDrifted && this.own.decide(answers, query).verdict === 'accept';
	}

	private stands(answers: readonly Answer[], query: Query): boolean {
		if (this.own !== null || this.hasDrifted) return false;
		const { score, threshold, strengths } = this.spent;
		if (!query.slots.every((model) => strengths.has(model))) return false;
		return score(this.cases.of(query.slots, keyOf(query.slots), answers)) <= threshold;
	}

	private isAudited(query: QueryId): boolean {
		const { options, seed } = this.context;
		return options.auditShare > 0 && hashShare(`${seed}/audit/${query}`) < options.auditShare;
	}

	private get hasDrifted(): boolean {
		return this.watch?.hasDrifted ?? false;
	}

	private get drift(): DriftWatch {
		this.watch ??= new DriftWatch(this.expectedShare(), this.budget.alpha);
		return this.watch;
	}

	/** Share of skipped past queries on which the aggregator disagreed with the vote: at most that, with the gate's confidence. */
	private expectedShare(): number {
		const { skipped, disagreed } = this.spent.outcome;
		return skipped === 0 ? 0.5 : Math.min(0.99, shareUpperBound(disagreed, skipped, this.budget.alpha));
	}

	private get spent(): Spent {
		this.known ??= this.spend();
		return this.known;
	}

	private spend(): Spent {
		const { calibration, aggregator, work } = this.context;
		const past = aggregator === null ? [] : calibration.queries();
		const toLearn = past.filter((_, index) => index % LEARN_EVERY === 0);
		const toTest = past.filter((_, index) => index % LEARN_EVERY !== 0);
		const classOf = (model: ModelId): ModelClass => this.classes.get(model) ?? 'instruct';
		const strengths = expertStrengths(toLearn);
		const score = this.ownScore() ?? learnScores(toLearn, this.cases, longOutputs(toLearn, classOf));
		const terms: PastTerms = {
			classOf,
			work,
			aggregator: aggregator ?? NO_MODEL,
			answerWhenCut: (answers, slots) => strongestAnswer(answers, slots, strengths),
			score,
			either: ({ answers }) => this.either(answers),
			cases: this.cases,
		};
		const skips = this.own === null ? skipRungs(toLearn, this.cases, score) : [0];
		const learned = new PastTable(toLearn, terms);
		const tested = new PastTable(toTest, terms);
		return {
			...spendBudget(learned, tested, { skips, cuts: cutRungs(toLearn, classOf) }, this.budget),
			learned: learned.size,
			tested: tested.size,
			score,
			strengths,
		};
	}

	/** Of a rule of its own: far below 0 where the vote stands. */
	private ownScore(): SkipScore | null {
		const { own } = this;
		if (own === null) return null;
		const query = { id: '' as QueryId, task: '', arrivalUs: 0, slots: [], slotPromptTokens: [] };
		const known = new Map<VoteCase, number>();
		return (votes) => {
			let score = known.get(votes);
			if (score === undefined) {
				score = own.decide(votes.answers, query).verdict === 'accept' ? Number.NEGATIVE_INFINITY : NEVER;
				known.set(votes, score);
			}
			return score;
		};
	}
}

const NEVER = Number.POSITIVE_INFINITY;
const NO_MODEL = '' as ModelId;
const SPENDS = { note: null, queriesNeeded: null } as const;

const allEnded = (answers: readonly (Answer | undefined)[]): answers is readonly Answer[] =>
	answers.every((answer) => answer !== undefined);

/** Of each expert, how often it was right. */
function expertStrengths(past: readonly PastQuery[]): ReadonlyMap<ModelId, number> {
	const tallies = new Map<ModelId, { right: number; count: number }>();
	for (const { slots, answers, correctAnswer } of past)
		for (const [slot, model] of slots.entries()) {
			const tally = tallies.get(model) ?? { right: 0, count: 0 };
			tally.count++;
			if (answers[slot] === correctAnswer) tally.right++;
			tallies.set(model, tally);
		}
	return new Map([...tallies].map(([model, tally]) => [model, tally.right / tally.count]));
}

/** The plurality, else what the expert said that was right most often. */
function strongestAnswer(
	answers: readonly (Answer | undefined)[],
	slots: readonly ModelId[],
	strengths: ReadonlyMap<ModelId, number>,
): Answer {
	const { answer } = countVotes(answers);
	if (answer !== null) return answer;
	let best: Answer = null;
	let most = Number.NEGATIVE_INFINITY;
	for (const [slot, given] of answers.entries()) {
		const strength = strengths.get(slots[slot] as ModelId) ?? 0;
		if (given === null || given === undefined || strength <= most) continue;
		best = given;
		most = strength;
	}
	return best;
}

const shownCuts = (cuts: Cuts): CutTokens => ({
	reasoning: Number.isFinite(cuts.reasoning) ? cuts.reasoning : null,
	instruct: Number.isFinite(cuts.instruct) ? cuts.instruct : null,
	aggregator: Number.isFinite(cuts.aggregator) ? cuts.aggregator : null,
});
