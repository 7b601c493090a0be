import type { GpuId, ModelId } from '../../sim/domain/ids.ts';
import type { Plan, PlannedSession } from '../../sim/domain/plan.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';

/** Costs and caps that a plan rests on, as they stand in `plan.details`. */
export interface PlanCosts {
	/** Fitted tau per model and GPU type. */
	readonly costs: readonly {
		readonly model: ModelId;
		readonly gpuType: string;
		readonly sessionSeconds: number;
		readonly secondsPerCall: number;
	}[];
}

export interface PlanCheck {
	/** One line for each limit that is broken; empty for a sound plan. */
	readonly faults: readonly string[];
	/** max_n T_n of equation 4, worked out anew from the plan. */
	readonly objectiveSeconds: number;
}

/**
 * Holds a plan against the limits of the paper, equations 4 to 9, as they read there: from the plan's sessions, the problem and the
 * fitted costs alone. Shares no code with what formulates or decodes, so that a mistake there shows here.
 */
export function checkPlan(problem: Problem, plan: Plan, { costs }: PlanCosts): PlanCheck {
	const faults: string[] = [];
	const sessions = plan.sessions.filter((session) => session.role === 'expert');
	const demand = new Map<ModelId, number>();
	for (const { model, role, count } of problem.expertCalls)
		if (role === 'expert' && count > 0) demand.set(model, (demand.get(model) ?? 0) + count);

	for (const session of sessions) {
		if (session.gpus.length !== 1) faults.push(`${session.model} takes ${session.gpus.length} GPUs, not one`);
		if (!Number.isInteger(session.calls) || (session.calls ?? 0) < 1)
			faults.push(`${session.model} has a session of ${session.calls} calls`);
		if (!demand.has(session.model)) faults.push(`${session.model} is loaded, but has no calls`);
	}
	for (const [model, calls] of demand) {
		const own = sessions.filter((session) => session.model === model);
		const served = own.reduce((sum, session) => sum + (session.calls ?? 0), 0);
		if (served !== calls) faults.push(`equation 5: ${served} of ${calls} calls of ${model} are planned`);
		const cap = capOf(problem, costs, model);
		if (own.length < 1 || own.length > cap)
			faults.push(`equation 7: ${model} is loaded ${own.length} times, allowed 1 to ${cap}`);
		if (new Set(own.map((session) => session.gpus[0])).size !== own.length)
			faults.push(`equation 6: ${model} is loaded twice on one GPU`);
	}

	let objectiveSeconds = 0;
	for (const gpu of problem.cluster.gpus) {
		const own = sessions.filter((session) => session.gpus.includes(gpu.id));
		if (own.length > problem.options.maxModelsPerWorker)
			faults.push(
				`equation 9: ${gpu.id} loads ${own.length} models, K is ${problem.options.maxModelsPerWorker}`,
			);
		const busySeconds = own.reduce(
			(sum, session) => sum + secondsOf(problem, costs, gpu.id, session, faults),
			0,
		);
		objectiveSeconds = Math.max(objectiveSeconds, busySeconds);
	}
	return { faults, objectiveSeconds };
}

/** l + tau x on this GPU. */
function secondsOf(
	problem: Problem,
	costs: PlanCosts['costs'],
	gpuId: GpuId,
	session: PlannedSession,
	faults: string[],
): number {
	const gpu = problem.cluster.gpus.find((candidate) => candidate.id === gpuId);
	const profile = problem.profiles.find(
		(candidate) =>
			candidate.model === session.model &&
			candidate.gpuType === gpu?.type &&
			candidate.tensorParallel === session.gpus.length,
	);
	const cost = costs.find(
		(candidate) => candidate.model === session.model && candidate.gpuType === gpu?.type,
	);
	if (gpu === undefined || profile === undefined || cost === undefined) {
		faults.push(`${session.model} cannot run on ${gpuId}`);
		return 0;
	}
	if (profile.gpuBytesPerGpu > gpu.memoryBytes)
		faults.push(`${session.model} needs ${profile.gpuBytesPerGpu} bytes, ${gpuId} has ${gpu.memoryBytes}`);
	return profile.loadUs / 1e6 + cost.secondsPerCall * (session.calls ?? 0);
}

/** Equation 8 over the GPUs that hold the model, or 1 where the pin rule says so. */
function capOf(problem: Problem, costs: PlanCosts['costs'], model: ModelId): number {
	const isInstruct = problem.models.some(({ id, modelClass }) => id === model && modelClass === 'instruct');
	if (problem.options.replicationCap === 'paper-pin' && isInstruct) return 1;
	const ratios: number[] = [];
	for (const gpu of problem.cluster.gpus) {
		const profile = problem.profiles.find(
			(candidate) =>
				candidate.model === model && candidate.gpuType === gpu.type && candidate.tensorParallel === 1,
		);
		const cost = costs.find((candidate) => candidate.model === model && candidate.gpuType === gpu.type);
		if (profile !== undefined && cost !== undefined && profile.gpuBytesPerGpu <= gpu.memoryBytes)
			ratios.push(cost.sessionSeconds / (profile.loadUs / 1e6));
	}
	const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
	return Math.min(ratios.length, Math.max(1, Math.floor(mean)));
}
