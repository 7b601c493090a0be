import type {
	AuditEvidence,
	Calibration,
	CutTokens,
	GateEvidence,
	GateOptions,
} from '../domain/calibration.ts';
import { present } from '../domain/errors.ts';
import type { ModelId, QueryId } from '../domain/ids.ts';
import type { Model, ModelClass } from '../domain/model.ts';
import type { Answer, CallRole, Gate, GateDecision, Query } from '../domain/work.ts';
import { DriftWatch } from './audit.ts';
import { cutRungs, longOutputs } from './boldness.ts';
import type { CallWork } from './call-work.ts';
import { expertStrengths, strongestAnswer } from './expert-strengths.ts';
import { whyNothing } from './gate-notes.ts';
import { hashShare } from './hash-share.ts';
import { meanLoss, shareUpperBound } from './loss-test.ts';
import type { Cuts, RunSize } from './past-row.ts';
import type { Budget } from './saving-path.ts';
import { openSearches, ownSearch, type SearchTerms } from './searches.ts';
import type { SkipScore } from './skip-scores.ts';
import { type Spending, spendBudget } from './spend-budget.ts';
import { splitPast } from './split-past.ts';
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
	readonly run: RunSize;
	/** For choosing what is audited. */
	readonly seed: number;
}

/** A gate of its own that cuts are added to. */
export interface OwnRule extends Pick<Gate, 'decide' | 'foresee'> {
	/** Whether a vote may ever stand. */
	readonly skips: boolean;
}

/**
 * A gate that spends an accuracy budget, shown on past queries, on cuts and, when it has no rule of its own, on skips; and that audits.
 * Past queries are asked for when it is first asked anything.
 * @param own null: all is learned (`calibrated`)
 * @param either which votes stand or not as the order of the answers has it, for a rule that decides before the last answer
 */
export function budgetGate(
	name: string,
	own: OwnRule | null,
	either: (answers: readonly Answer[]) => boolean,
	context: GateContext,
): Gate {
	return new BudgetGate(name, own, either, context);
}

/** A decision that leaves the query open. */
const OPEN: GateDecision = { verdict: 'open', answer: null };

interface Spent extends Spending {
	readonly learned: number;
	readonly tested: number;
	readonly score: SkipScore;
	/** Of each expert that was learned about, how often it was right. */
	readonly strengths: ReadonlyMap<ModelId, number>;
	/** Null: never cut. */
	readonly classOf: (model: ModelId) => ModelClass | null;
}

class BudgetGate implements Gate {
	readonly name: string;
	private readonly own: OwnRule | null;
	private readonly either: (answers: readonly Answer[]) => boolean;
	private readonly context: GateContext;
	private readonly classes: ReadonlyMap<ModelId, ModelClass>;
	private readonly cases = new VoteCases();
	private readonly budget: Budget;
	private watch: DriftWatch | null = null;
	private known: Spent | null = null;

	constructor(
		name: string,
		own: OwnRule | null,
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
		const { cuts, classOf } = this.spent;
		if (role === 'aggregator') return cuts.aggregator;
		const modelClass = classOf(model);
		return modelClass === null ? NEVER : cuts[modelClass];
	}

	answerWhenCut(answers: readonly (Answer | undefined)[], query: Query): Answer {
		return strongestAnswer(answers, query.slots, this.spent.strengths);
	}

	observe(answers: readonly (Answer | undefined)[], _query: Query, aggregatorAnswer: Answer): void {
		this.drift.observe(aggregatorAnswer !== countVotes(answers).answer);
	}

	evidence(): GateEvidence {
		const { calibration, options, aggregator } = this.context;
		const { learned, tested, outcome, cuts, moved, holds, neededForFirst } = this.spent;
		const { name } = this;
		const { source } = calibration;
		const skippedShare = outcome.skipped / Math.max(1, tested);
		const skipsItself = this.own?.skips === true;
		const spends = moved || (holds && skipsItself);
		// What aggregates everything and cuts nothing loses nothing; that no past vote would have stood says nothing.
		const isFree = !moved && !skipsItself;
		const hasAggregator = aggregator !== null;
		const unspent = { name, source, options, hasAggregator, learned, tested, holds, neededForFirst };
		const { note, queriesNeeded } = spends ? SPENDS : whyNothing(unspent);
		return {
			source,
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

	get hasDrifted(): boolean {
		return this.watch?.hasDrifted ?? false;
	}

	private auditEvidence(): AuditEvidence | null {
		return this.context.options.auditShare > 0 ? this.drift.evidence() : null;
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
		const { score, threshold } = this.spent;
		return score(this.cases.of(query.slots, keyOf(query.slots), answers)) <= threshold;
	}

	private isAudited(query: string): boolean {
		const { options, seed } = this.context;
		return options.auditShare > 0 && hashShare(`${seed}/audit/${query}`) < options.auditShare;
	}

	/** Both what is expected and the wager on it may be wrong: half of the chance each. */
	private get drift(): DriftWatch {
		const alpha = this.budget.alpha / 2;
		this.watch ??= new DriftWatch(this.expectedShare(alpha), alpha);
		return this.watch;
	}

	/** Share of past votes that stand on which the aggregator disagreed: at most that, but for a chance of alpha. */
	private expectedShare(alpha: number): number {
		const { stood, disagreed } = this.spent.outcome;
		return stood === 0 ? 0.5 : Math.min(0.99, shareUpperBound(disagreed, stood, alpha));
	}

	private get spent(): Spent {
		this.known ??= this.spend();
		return this.known;
	}

	private spend(): Spent {
		const { calibration, aggregator, work, run } = this.context;
		const past = splitPast(aggregator === null ? [] : calibration.queries());
		const { learned, tested } = past;
		const strengths = expertStrengths(learned);
		// Whose calls nobody has seen, nobody cuts.
		const classOf = (model: ModelId): ModelClass | null =>
			strengths.has(model) ? (this.classes.get(model) ?? null) : null;
		const terms: SearchTerms = {
			past,
			cutRungs: cutRungs(learned, classOf),
			classOf,
			work,
			aggregator: aggregator ?? NO_MODEL,
			answerWhenCut: (answers, slots) => strongestAnswer(answers, slots, strengths),
			either: ({ answers }) => this.either(answers),
			cases: this.cases,
			run,
			// What is audited in the run is in the past too, in the same share: votes that gain nothing there pay for no cuts.
			isAudited: (index) => this.isAudited(`past${index}`),
		};
		const longTokens = this.budget.cuts ? longOutputs(learned, classOf) : () => NEVER;
		const own = this.ownScore();
		const searches =
			own === null ? openSearches(terms, longTokens) : [ownSearch(terms, own, this.own?.skips === false)];
		const spending = spendBudget(searches, this.budget);
		return {
			...spending,
			learned: learned.length,
			tested: tested.length,
			score: present(searches[spending.search], 'search').score,
			strengths,
			classOf,
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

const shownCuts = (cuts: Cuts): CutTokens => ({
	reasoning: Number.isFinite(cuts.reasoning) ? cuts.reasoning : null,
	instruct: Number.isFinite(cuts.instruct) ? cuts.instruct : null,
	aggregator: Number.isFinite(cuts.aggregator) ? cuts.aggregator : null,
});
