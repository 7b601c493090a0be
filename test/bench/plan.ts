import type { Plan } from '../../sim/domain/plan.ts';
import type { PlanOptions, Problem } from '../../sim/domain/scheduler.ts';
import { createScheduler } from '../../solver/index.ts';
import { type PlanSize, planCase } from './plan-cases.ts';
import { say } from './report.ts';

/** What is asked of `ilp-curves` on each size; its time limit is the paper's `ilp`'s too. */
const TARGETS = [
	{ workers: 4, experts: 6, relativeGap: 0.01, timeLimitSeconds: 1 },
	{ workers: 16, experts: 16, relativeGap: 0.03, timeLimitSeconds: 5 },
	{ workers: 64, experts: 16, relativeGap: 0.01, timeLimitSeconds: 5 },
] as const;
const CASES = 20;
const PLANNERS = ['greedy', 'ilp', 'ilp-curves'] as const;
type Planner = (typeof PLANNERS)[number];

/** Planning: time, proven gap, and which planner's plans are shorter. */
export const planScenarios = {
	clusters: () => compareOn(false),
	mixed: () => compareOn(true),
};

interface Outcome {
	readonly seconds: number;
	/** Of all threads: what it takes while nothing else runs. */
	readonly cpuSeconds: number;
	readonly gap: number | null;
	readonly status: string;
	/** By the yardstick: the busiest GPU's sessions, each its load and what the forecaster says of just that many calls. */
	readonly makespanSeconds: number;
}

async function compareOn(mixed: boolean): Promise<void> {
	say(
		`${mixed ? 'A100 and H100 by turns' : 'A100 alone'}; session costs by formula, not by the engine model`,
	);
	const all: Record<Planner, Outcome>[] = [];
	for (const target of TARGETS) {
		const outcomes: Record<Planner, Outcome>[] = [];
		for (let seed = 0; seed < CASES; seed++) outcomes.push(await planAll({ ...target, mixed }, target, seed));
		showSize(target, outcomes);
		all.push(...outcomes);
	}
	say(`all ${all.length} cases, plans held against the same costs`);
	say('| plan | against | shorter | same | longer | median | best | worst |');
	say('| --- | --- | --- | --- | --- | --- | --- | --- |');
	for (const [plan, against] of [
		['ilp', 'greedy'],
		['ilp-curves', 'greedy'],
		['ilp-curves', 'ilp'],
	] as const)
		say(tableRow(plan, against, all));
}

async function planAll(
	size: PlanSize,
	options: Partial<PlanOptions>,
	seed: number,
): Promise<Record<Planner, Outcome>> {
	const outcomes: Partial<Record<Planner, Outcome>> = {};
	for (const planner of PLANNERS) {
		const { relativeGap, timeLimitSeconds } = options as PlanOptions;
		const problem = planCase(size, seed, { relativeGap, timeLimitSeconds });
		const scheduler = createScheduler(planner, { clockSeconds: () => performance.now() / 1000 });
		const cpu = process.cpuUsage();
		const startMs = performance.now();
		const plan = await scheduler.plan(problem);
		const seconds = (performance.now() - startMs) / 1000;
		const { user, system } = process.cpuUsage(cpu);
		outcomes[planner] = {
			seconds,
			cpuSeconds: (user + system) / 1e6,
			gap: plan.evidence.gap,
			status: plan.evidence.status,
			makespanSeconds: yardstickSeconds(problem, plan),
		};
	}
	return outcomes as Record<Planner, Outcome>;
}

function yardstickSeconds({ cluster, profiles, forecaster }: Problem, plan: Plan): number {
	const busy = cluster.gpus.map((gpu) => {
		const own = plan.sessions.filter(({ gpus }) => gpus.includes(gpu.id));
		return own.reduce((sum, { model, calls }) => {
			const profile = profiles.find(
				(candidate) => candidate.model === model && candidate.gpuType === gpu.type,
			);
			const request = {
				model,
				gpuType: gpu.type,
				tensorParallel: 1,
				role: 'expert',
				calls: calls ?? 0,
			} as const;
			return sum + (profile?.loadUs ?? Number.NaN) / 1e6 + forecaster.session(request).seconds;
		}, 0);
	});
	return Math.max(...busy);
}

function showSize(target: (typeof TARGETS)[number], outcomes: readonly Record<Planner, Outcome>[]): void {
	const { workers, experts, relativeGap, timeLimitSeconds } = target;
	say(
		`${workers} workers, ${experts} experts, ${outcomes.length} cases; asked for ${percent(relativeGap)} in ${timeLimitSeconds} s`,
	);
	for (const planner of PLANNERS) {
		const own = outcomes.map((outcome) => outcome[planner]);
		const seconds = own.map((outcome) => outcome.seconds);
		const cpu = own.map((outcome) => outcome.cpuSeconds);
		const gaps = own.flatMap(({ gap }) => (gap === null ? [] : [gap]));
		const within = own.filter(
			({ gap, ...outcome }) => (gap ?? 1) <= relativeGap && outcome.seconds <= timeLimitSeconds,
		);
		const proof =
			gaps.length === 0
				? 'proves nothing'
				: `gap median ${percent(median(gaps))}, worst ${percent(Math.max(...gaps))}, by its own costs; as asked in ${within.length}`;
		const ratios = outcomes.map(
			(outcome) => outcome[planner].makespanSeconds / outcome.greedy.makespanSeconds,
		);
		say(
			`  ${planner}: median ${median(seconds).toFixed(2)} s, worst ${Math.max(...seconds).toFixed(2)} s (CPU ${median(cpu).toFixed(2)}, ${Math.max(...cpu).toFixed(2)}); ${proof}; plan ${median(ratios).toFixed(3)} times greedy's`,
		);
	}
	const times = outcomes.map((outcome) => outcome['ilp-curves'].seconds / outcome.ilp.seconds);
	say(
		`  ilp-curves takes ${median(times).toFixed(2)} times the time of ilp, whose limit is ${timeLimitSeconds} s too`,
	);
}

/** Shares by which a plan is shorter than the other; within a thousandth they are the same. */
function tableRow(plan: Planner, against: Planner, all: readonly Record<Planner, Outcome>[]): string {
	const gains = all.map((outcome) => 1 - outcome[plan].makespanSeconds / outcome[against].makespanSeconds);
	const shorter = gains.filter((gain) => gain > 0.001).length;
	const longer = gains.filter((gain) => gain < -0.001).length;
	const figures = [median(gains), Math.max(...gains), Math.min(...gains)].map(percent);
	return `| ${[plan, against, shorter, gains.length - shorter - longer, longer, ...figures].join(' | ')} |`;
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

function median(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle] ?? Number.NaN;
	return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
