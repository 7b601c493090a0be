import { PolicyError, UsageError } from '../sim/domain/errors.ts';
import type { Plan, PlanEvidence } from '../sim/domain/plan.ts';
import type { Problem, Rehearsal, Rehearse, Scheduler, View } from '../sim/domain/scheduler.ts';
import { createAdaptive } from './adaptive.ts';
import { createGreedy } from './greedy.ts';
import { withCuts } from './with-cuts.ts';
import { expertWork } from './workers.ts';

/** Candidates whose first sample took at most so many times as long as the best one's are tried on the others. */
const CLOSE = 1.05;

/** Samples that a close candidate is tried on. */
const SAMPLES = 2;

/**
 * Planning by simulation: rehearses several policies on the same samples of the work and does as the best one does. It sees what is expected, never
 * what is true; every rehearsal is charged. A re-plan stays with the policy that was chosen.
 */
export function createLookahead(candidates: readonly Scheduler[] = usualCandidates()): Scheduler {
	const first = candidates[0] as Scheduler;
	/** Of the plan that was last made or carried out. */
	let current: Scheduler | null = null;
	const chosen = new WeakMap<Plan, { readonly candidate: Scheduler; readonly plan: Plan }>();
	const carriedOut = (plan: Plan): { readonly candidate: Scheduler; readonly plan: Plan } => {
		let known = chosen.get(plan);
		if (known === undefined) {
			const { candidate: name, inner } = plan.memory as unknown as LookaheadMemory;
			const candidate = candidates.find((one) => one.name === name) as Scheduler;
			known = { candidate, plan: { ...plan, scheduler: name, memory: inner } };
			chosen.set(plan, known);
		}
		current = known.candidate;
		return known;
	};
	return {
		name: 'lookahead',
		takesCuts: true,
		async plan(problem) {
			const hasBegun = problem.observed.length > 0;
			const choice = hasBegun
				? { ...(await unrehearsed(current ?? first, problem)), fallback: null }
				: await choose(candidates, problem);
			current = choice.candidate;
			return planOf(choice);
		},
		decide(view: View) {
			const { candidate, plan } = carriedOut(view.plan);
			return candidate.decide({ ...view, plan });
		},
	};
}

/**
 * What made a difference on one workload or another, both ways. All of them cut where the gate's budget pays for it, as the gate was told.
 */
const usualCandidates = (): readonly Scheduler[] => [
	createAdaptive(),
	createAdaptive('adaptive:all-migrate'),
	createAdaptive('adaptive:all-tensor'),
	createAdaptive('adaptive slack=2', { slack: 2 }),
	createAdaptive('adaptive urgency=2', { urgency: 2 }),
	createAdaptive('adaptive vacateSeconds=3600', { vacateSeconds: 3600 }),
	withCuts(createGreedy()),
];

interface LookaheadMemory {
	/** Name of the policy that is carried out. */
	readonly candidate: string;
	/** What that decides by. */
	readonly inner: NonNullable<Plan['memory']>;
}

/** How one candidate did. */
interface Trial {
	readonly name: string;
	/** Makespan of each sample that it was tried on. */
	readonly seconds: readonly number[];
	readonly latencySeconds: readonly number[];
	/** Why it was left out; null when it was not. */
	readonly refused: string | null;
}

interface Choice {
	readonly candidate: Scheduler;
	readonly inner: Plan;
	readonly trials: readonly Trial[];
	readonly objectiveSeconds: number;
	readonly solveSeconds: number;
	readonly reproducible: boolean;
	readonly fallback: string | null;
}

function planOf(choice: Choice): Plan {
	const { candidate, inner, trials, fallback, objectiveSeconds, solveSeconds, reproducible } = choice;
	const { status } = inner.evidence;
	const evidence: PlanEvidence = {
		objectiveSeconds,
		boundSeconds: null,
		gap: null,
		status: status === 'none' ? 'none' : 'heuristic',
		solveSeconds,
		fallback,
		reproducible,
	};
	const memory: LookaheadMemory = { candidate: candidate.name, inner: inner.memory ?? {} };
	return {
		...inner,
		scheduler: 'lookahead',
		evidence,
		memory: { ...memory },
		details: {
			candidate: candidate.name,
			rehearsals: trials.reduce((sum, { seconds }) => sum + seconds.length, 0),
			candidates: trials,
			inner: inner.details,
		},
	};
}

async function choose(candidates: readonly Scheduler[], problem: Problem): Promise<Choice> {
	const first = candidates[0] as Scheduler;
	if (expertWork(problem).length === 0) return { ...(await unrehearsed(first, problem)), fallback: null };
	const { rehearse } = problem.forecaster;
	// Queries that nobody can say when to expect cannot be rehearsed.
	const { future } = problem;
	const isUnforeseen = future !== null && future.count > 0 && future.perSecond === null;
	if (rehearse === undefined || isUnforeseen)
		return { ...(await unrehearsed(first, problem)), fallback: first.name };
	return rehearsed(candidates, problem, rehearse);
}

async function unrehearsed(candidate: Scheduler, problem: Problem): Promise<Omit<Choice, 'fallback'>> {
	const inner = await candidate.plan(problem);
	const { objectiveSeconds, solveSeconds, reproducible } = inner.evidence;
	return { candidate, inner, trials: [], objectiveSeconds, solveSeconds, reproducible };
}

interface Attempt {
	readonly candidate: Scheduler;
	readonly inner: Plan;
	readonly rehearsals: Rehearsal[];
}

async function rehearsed(
	candidates: readonly Scheduler[],
	problem: Problem,
	rehearse: Rehearse,
): Promise<Choice> {
	const attempts: Attempt[] = [];
	const refusals: { readonly name: string; readonly error: Error }[] = [];
	for (const candidate of candidates)
		try {
			const inner = await candidate.plan(problem);
			const rehearsals = [await rehearse(withPlan(candidate, inner), problem, 0)];
			attempts.push({ candidate, inner, rehearsals });
		} catch (error) {
			if (!(error instanceof UsageError) && !(error instanceof PolicyError)) throw error;
			refusals.push({ name: candidate.name, error });
		}
	// What none of them can plan, nobody can.
	if (attempts.length === 0) throw refusals[0]?.error;
	const score = scoreOf(problem);
	const least = Math.min(...attempts.map(score));
	const close = attempts.filter((attempt) => score(attempt) <= CLOSE * least);
	if (close.length > 1)
		for (let sample = 1; sample < SAMPLES; sample++)
			for (const { candidate, inner, rehearsals } of close)
				rehearsals.push(await rehearse(withPlan(candidate, inner), problem, sample));
	const best = close.reduce((one, other) => (score(other) < score(one) ? other : one));
	const count = attempts.reduce((sum, { rehearsals }) => sum + rehearsals.length, 0);
	const queries = problem.queries.length + (problem.future?.count ?? 0);
	const planned = attempts.map(({ inner }) => inner.evidence);
	return {
		candidate: best.candidate,
		inner: best.inner,
		trials: [
			...attempts.map(({ candidate, rehearsals }) => ({
				name: candidate.name,
				seconds: rehearsals.map(({ seconds }) => seconds),
				latencySeconds: rehearsals.map(({ latencySeconds }) => latencySeconds),
				refused: null,
			})),
			...refusals.map(({ name, error }) => ({
				name,
				seconds: [],
				latencySeconds: [],
				refused: error.message,
			})),
		],
		objectiveSeconds: mean(best.rehearsals.map(({ seconds }) => seconds)),
		solveSeconds:
			count * queries * problem.options.chargedRehearsalSecondsPerQuery +
			planned.reduce((sum, { solveSeconds }) => sum + solveSeconds, 0),
		reproducible: planned.every(({ reproducible }) => reproducible),
		fallback: null,
	};
}

/** A batch is to end early; queries that come over time are to be answered early, whatever comes last. */
const scoreOf =
	({ future }: Problem) =>
	({ rehearsals }: Attempt): number =>
		mean(rehearsals.map(({ seconds, latencySeconds }) => (future === null ? seconds : latencySeconds)));

/** The candidate with its first plan made: that depends on no sample. */
function withPlan(candidate: Scheduler, first: Plan): Scheduler {
	let isFirst = true;
	return {
		...candidate,
		async plan(problem) {
			if (!isFirst) return candidate.plan(problem);
			isFirst = false;
			return first;
		},
	};
}

const mean = (values: readonly number[]): number =>
	values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
