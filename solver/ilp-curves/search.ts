import type { MipResult, SolveMip } from '../ilp/mip.ts';
import type { CurveInstance } from './instance.ts';
import { type Shares, searchShares, type WorkerTypes } from './local-search.ts';
import { servedProgram, wholeProgram } from './pattern-programs.ts';
import { type Pattern, patternsWithin } from './patterns.ts';
import { quickBoundSeconds } from './quick-bound.ts';
import { roundWorkers } from './round-workers.ts';
import { sessionsProgram } from './sessions-program.ts';
import { type CornerWorkers, coverDivided, coverWhole, type WholeAnswer } from './whole-workers.ts';

export interface SearchBudget {
	/** (objective - bound) / objective at which the search ends. */
	readonly relativeGap: number;
	/** Branch-and-bound nodes, over all programs. */
	readonly maxNodes: number;
	/** By the clock, from the start of the search. */
	readonly timeLimitSeconds: number;
	readonly clockSeconds: () => number;
}

export interface SearchResult {
	readonly shares: Shares;
	readonly seconds: number;
	/** No plan takes less. */
	readonly boundSeconds: number;
	/** Set when the clock or a broken solver ended it: another machine may find something else. */
	readonly stoppedBy: 'time' | 'failed' | null;
	readonly counts: SearchCounts;
}

export interface SearchCounts {
	patterns: number;
	linearPrograms: number;
	wholePrograms: number;
	nodes: number;
	moves: number;
}

/** Patterns with more corners than this take longer than they are worth: the bound is then that of shared workers. */
const MOST_CORNERS = 8_000;
/** Pieces of curves are this part of a deadline below them, and up to `WIDEST_TOLERANCE` where that leaves too many patterns. */
const TOLERANCE_OF_GAP = 1 / 8;
const WIDEST_TOLERANCE = 2e-3;
/** Ends of the bisection, as parts of the gap that is asked for. */
const BISECTION_OF_GAP = 1 / 10;
/** Starts are the last so many of the bisection, and deadlines a little later than the bound, which leave rounding some room. */
const BISECTION_STARTS = 2;
const LATER = [1.02, 1.01, 1.005] as const;
/** Moves from each start, by round: few are often enough. */
const MOVES = [30_000, 250_000, 250_000] as const;
/** Up to so many patterns whole workers are found here, which takes less time than the solver's thread takes to start. */
const FEW_PATTERNS = 250;
/** Nodes of one program that asks whether whole workers keep a deadline. */
const NODES_WITH_FEW = 4_000;
const NODES_WITH_MANY = 400;

/**
 * Shortens a plan and proves how short plans can get, until the two meet. Divisible patterns (a linear program) give deadlines that no plan
 * keeps, by bisection; rounded, they give starts for a search on the real curves. What gap is left is asked about directly: can whole
 * workers keep a deadline that is shorter by it? Yes is a better plan, no a better bound.
 */
export async function searchPlacement(
	instance: CurveInstance,
	types: WorkerTypes,
	greedy: Shares,
	solve: SolveMip,
	budget: SearchBudget,
): Promise<SearchResult> {
	const search = new Search(instance, types, greedy, solve, budget);
	await search.raiseBound();
	for (const [round, moves] of MOVES.entries()) {
		search.shorten(moves, round);
		if (search.patternCount <= FEW_PATTERNS) await search.closeGap();
	}
	await search.closeGap();
	return search.result();
}

class Search {
	private readonly instance: CurveInstance;
	private readonly types: WorkerTypes;
	private readonly solve: SolveMip;
	private readonly budget: SearchBudget;
	private readonly startedSeconds: number;
	private best: Shares;
	private seconds: number;
	private boundSeconds: number;
	/** Rounded solutions at deadlines near the bound. */
	private readonly starts: Shares[] = [];
	/** Of the pieces; null when there are too many patterns at any. */
	private patternTolerance: number | null;
	private stoppedBy: SearchResult['stoppedBy'] = null;
	private isBroken = false;
	private readonly counts: SearchCounts = {
		patterns: 0,
		linearPrograms: 0,
		wholePrograms: 0,
		nodes: 0,
		moves: 0,
	};

	constructor(
		instance: CurveInstance,
		types: WorkerTypes,
		greedy: Shares,
		solve: SolveMip,
		budget: SearchBudget,
	) {
		this.instance = instance;
		this.types = types;
		this.solve = solve;
		this.budget = budget;
		this.startedSeconds = budget.clockSeconds();
		this.patternTolerance = this.tolerance();
		this.best = greedy;
		this.seconds = searchShares(instance, types, greedy, { enoughSeconds: 0, moves: 0, seed: 0 }).seconds;
		this.boundSeconds = Math.min(this.seconds, quickBoundSeconds(instance));
	}

	get patternCount(): number {
		return this.counts.patterns;
	}

	result(): SearchResult {
		const { best: shares, seconds, boundSeconds, stoppedBy, counts } = this;
		return { shares, seconds, boundSeconds, stoppedBy, counts };
	}

	/** Bisection on the deadline that divisible workers can keep. */
	async raiseBound(): Promise<void> {
		let kept = this.seconds;
		const step = Math.max(1e-4, this.budget.relativeGap * BISECTION_OF_GAP);
		while (kept - this.boundSeconds > step * kept && !this.isOver()) {
			const deadline = (this.boundSeconds + kept) / 2;
			const isKept = await this.canKeepDivided(deadline);
			if (isKept === null) return;
			if (isKept) kept = deadline;
			else this.boundSeconds = deadline;
		}
		this.starts.splice(0, this.starts.length - BISECTION_STARTS);
		for (const later of LATER) if (!this.isOver()) await this.canKeepDivided(this.boundSeconds * later);
	}

	/** Local search from the best plan and from all starts. */
	shorten(moves: number, round: number): void {
		for (const start of [this.best, ...this.starts]) {
			if (this.isOver()) return;
			this.improve(start, moves, round);
		}
	}

	/** Asks for deadlines between bound and best plan until they are as near as asked for. */
	async closeGap(): Promise<void> {
		while (!this.isOver()) {
			// A no to `enough` ends it. Far from the bound, a yes further down gets there sooner.
			const { relativeGap } = this.budget;
			const enough = this.seconds * (1 - 0.95 * relativeGap);
			const isNear = enough - this.boundSeconds <= 2 * relativeGap * enough;
			const deadline = isNear ? enough : (enough + this.boundSeconds) / 2;
			if (!(await this.keepWhole(deadline))) return;
		}
	}

	private improve(start: Shares, moves: number, seed: number): void {
		const enoughSeconds = this.boundSeconds / (1 - 0.9 * this.budget.relativeGap);
		const {
			shares,
			seconds,
			moves: made,
		} = searchShares(this.instance, this.types, start, {
			enoughSeconds,
			moves,
			seed,
		});
		this.counts.moves += made;
		if (seconds >= this.seconds) return;
		this.best = shares;
		this.seconds = seconds;
	}

	/** Null when there is no answer. */
	private async canKeepDivided(deadline: number): Promise<boolean | null> {
		const patterns = this.patterns(deadline);
		this.counts.linearPrograms++;
		if (patterns === null) {
			const mip = sessionsProgram(this.instance, deadline, deadline * this.tolerance());
			return isServed(await this.ask(mip, this.budget.maxNodes));
		}
		const answer = coverDivided(this.instance, patterns);
		if (answer !== null) {
			this.addStart(patterns, answer.workers);
			return answer.isKept;
		}
		const { mip, cornerColumns } = servedProgram(this.instance, patterns);
		const result = await this.ask(mip, this.budget.maxNodes);
		const isKept = isServed(result);
		if (isKept) this.addStart(patterns, pick(cornerColumns, result.values));
		return isKept;
	}

	/** @returns whether a better plan or a better bound came of it */
	private async keepWhole(deadline: number): Promise<boolean> {
		const patterns = this.patterns(deadline);
		const mostNodes = this.budget.maxNodes - this.counts.nodes;
		if (patterns === null || mostNodes <= 0) return false;
		this.counts.wholePrograms++;
		const { kind, workers, nodes } =
			patterns.length <= FEW_PATTERNS
				? coverWhole(this.instance, patterns, Math.min(NODES_WITH_FEW, mostNodes), () => this.isLate())
				: await this.askWhole(patterns, Math.min(NODES_WITH_MANY, mostNodes));
		this.counts.nodes += nodes;
		if (kind === 'missed') {
			this.boundSeconds = deadline;
			return true;
		}
		const start = this.rounded(patterns, workers);
		if (start === null) return false;
		const before = this.seconds;
		this.improve(start, MOVES[0], 0);
		return this.seconds < before;
	}

	private async askWhole(patterns: readonly Pattern[], mostNodes: number): Promise<WholeAnswer> {
		const { mip, cornerColumns } = wholeProgram(this.instance, patterns);
		const { stoppedBy, values, nodes } = await this.ask(mip, mostNodes);
		if (stoppedBy === 'infeasible') return { kind: 'missed', workers: null, nodes };
		if (values === null) return { kind: 'unknown', workers: null, nodes };
		return { kind: 'kept', workers: pick(cornerColumns, values), nodes };
	}

	private addStart(patterns: readonly Pattern[], workers: CornerWorkers | null): void {
		const start = this.rounded(patterns, workers);
		if (start !== null) this.starts.push(start);
	}

	private rounded(patterns: readonly Pattern[], workers: CornerWorkers | null): Shares | null {
		return workers === null ? null : roundWorkers(this.instance, this.types, patterns, workers);
	}

	private patterns(deadline: number): readonly Pattern[] | null {
		while (this.patternTolerance !== null) {
			const tolerance = this.patternTolerance;
			const patterns = patternsWithin(this.instance, deadline, deadline * tolerance, MOST_CORNERS);
			if (patterns !== null) {
				this.counts.patterns = Math.max(this.counts.patterns, patterns.length);
				return patterns;
			}
			// What was too much once is not tried again.
			this.patternTolerance = tolerance < WIDEST_TOLERANCE ? Math.min(WIDEST_TOLERANCE, 2 * tolerance) : null;
		}
		return null;
	}

	private tolerance(): number {
		return Math.min(WIDEST_TOLERANCE, Math.max(1e-5, this.budget.relativeGap * TOLERANCE_OF_GAP));
	}

	private async ask(mip: Parameters<SolveMip>[0]['mip'], maxNodes: number): Promise<MipResult> {
		const { timeLimitSeconds } = this.budget;
		const leftSeconds = Math.max(0.05, timeLimitSeconds - this.spentSeconds());
		const limits = { relativeGap: 0, maxNodes, timeLimitSeconds: leftSeconds };
		const result = await this.solve({ mip, start: null, limits, proofOnly: true });
		// What stopped it first: a thread that was killed for the time it took fails ever after.
		if (result.stoppedBy === 'time' || result.stoppedBy === 'failed') this.stoppedBy ??= result.stoppedBy;
		if (result.stoppedBy === 'failed') this.isBroken = true;
		return result;
	}

	private spentSeconds(): number {
		return this.budget.clockSeconds() - this.startedSeconds;
	}

	private isLate(): boolean {
		if (this.spentSeconds() < this.budget.timeLimitSeconds) return false;
		this.stoppedBy ??= 'time';
		return true;
	}

	private isOver(): boolean {
		if (this.isBroken) return true;
		if (this.seconds - this.boundSeconds <= this.budget.relativeGap * this.seconds) return true;
		return this.isLate();
	}
}

/** Whether all work is served; null when that was not found out. The solver's tolerance must not make a deadline look out of reach. */
function isServed({ stoppedBy, values }: MipResult): boolean | null {
	if (stoppedBy === 'infeasible') return false;
	return stoppedBy === 'gap' && values !== null ? (values[0] ?? 0) >= 1 - 1e-6 : null;
}

/** Values of columns, in the shape of the columns. */
const pick = (columns: readonly (readonly number[])[], values: Float64Array | null): CornerWorkers | null =>
	values && columns.map((row) => row.map((column) => Math.max(0, values[column] ?? 0)));
