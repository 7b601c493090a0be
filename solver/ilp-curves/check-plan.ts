import type { ModelId } from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';

/** Session costs that a plan rests on, as they stand in `plan.details`. */
export interface PlanCurves {
	/** Seconds of a session, load included, at increasing numbers of calls. */
	readonly curves: readonly {
		readonly model: ModelId;
		readonly gpuType: string;
		readonly calls: readonly number[];
		readonly seconds: readonly number[];
	}[];
}

/**
 * Holds a plan against the limits of its formulation: every call served, one GPU a session and at most one session of a model on it, K models
 * on a GPU, memory. From the plan's sessions, the problem and the curves alone; shares no code with what plans.
 */
export function checkCurvePlan(
	problem: Problem,
	plan: Plan,
	{ curves }: PlanCurves,
): { readonly faults: readonly string[]; readonly objectiveSeconds: number } {
	const faults: string[] = [];
	const left = new Map<string, number>();
	for (const { model, role, count } of problem.expertCalls)
		if (role === 'expert') left.set(model, (left.get(model) ?? 0) + count);
	const loaded = new Map<string, Map<string, number>>();

	for (const { gpus, model, role, calls, phase } of plan.sessions) {
		if (role !== 'expert') continue;
		const [id, ...others] = gpus;
		const gpu = problem.cluster.gpus.find((candidate) => candidate.id === id);
		if (gpu === undefined || others.length > 0 || phase !== 0) {
			faults.push(`a session of ${model} is not on one GPU of the cluster in the first phase`);
			continue;
		}
		if (calls === null || !Number.isInteger(calls) || calls < 1) {
			faults.push(`${model} has a session of ${calls} calls on ${gpu.id}`);
			continue;
		}
		left.set(model, (left.get(model) ?? 0) - calls);
		const here = loaded.get(gpu.id) ?? new Map<string, number>();
		loaded.set(gpu.id, here);
		if (here.has(model)) faults.push(`${model} is loaded twice on ${gpu.id}`);
		const fits = problem.profiles.some(
			(profile) =>
				profile.model === model &&
				profile.gpuType === gpu.type &&
				profile.tensorParallel === 1 &&
				profile.gpuBytesPerGpu <= gpu.memoryBytes,
		);
		if (!fits) faults.push(`${model} does not fit ${gpu.id}`);
		const curve = curves.find((candidate) => candidate.model === model && candidate.gpuType === gpu.type);
		const seconds = curve === undefined ? undefined : interpolate(curve.calls, curve.seconds, calls);
		if (seconds === undefined) faults.push(`${model} has no cost of ${calls} calls on ${gpu.id}`);
		here.set(model, seconds ?? 0);
	}

	for (const [model, count] of left)
		if (count !== 0)
			faults.push(`${count} calls of ${model} are ${count > 0 ? 'not planned' : 'planned too many'}`);
	let objectiveSeconds = 0;
	for (const [gpu, sessions] of loaded) {
		const most = problem.options.maxModelsPerWorker;
		if (sessions.size > most) faults.push(`${gpu} loads ${sessions.size} models, K is ${most}`);
		objectiveSeconds = Math.max(
			objectiveSeconds,
			[...sessions.values()].reduce((sum, seconds) => sum + seconds, 0),
		);
	}
	return { faults, objectiveSeconds };
}

/** Flat below the first point, undefined beyond the last. */
function interpolate(xs: readonly number[], ys: readonly number[], x: number): number | undefined {
	for (let i = 0; i < xs.length; i++) {
		const [x1, y1] = [xs[i] ?? 0, ys[i] ?? 0];
		if (x > x1) continue;
		if (i === 0) return y1;
		const [x0, y0] = [xs[i - 1] ?? 0, ys[i - 1] ?? 0];
		return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
	}
	return undefined;
}
