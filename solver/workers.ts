import { UsageError } from '../sim/domain/errors.ts';
import type { ModelId } from '../sim/domain/ids.ts';
import type { Gpu, ReplicaProfile } from '../sim/domain/model.ts';
import { findProfileOn, type Problem } from '../sim/domain/scheduler.ts';
import { secondsFromUs } from '../sim/domain/units.ts';
import type { CallRole } from '../sim/domain/work.ts';

/** One expert model and all calls it still has to serve. */
export interface ExpertWork {
	readonly model: ModelId;
	readonly calls: number;
}

/** Expert calls per model, over all tasks, in problem order. Models without calls are left out. */
export function expertWork(problem: Problem): readonly ExpertWork[] {
	const calls = new Map<ModelId, number>();
	for (const { model, role, count } of problem.expertCalls)
		if (role === 'expert') calls.set(model, (calls.get(model) ?? 0) + count);
	return [...calls].filter(([, count]) => count > 0).map(([model, count]) => ({ model, calls: count }));
}

/** The profile of `model` as one engine over `gpus`; undefined when they differ in type, were not profiled, or are too small. */
export function profileOn(
	problem: Problem,
	model: ModelId,
	gpus: readonly Gpu[],
): ReplicaProfile | undefined {
	const profile = findProfileOn(problem.profiles, model, gpus);
	if (profile === undefined) return undefined;
	return gpus.every((gpu) => profile.gpuBytesPerGpu <= gpu.memoryBytes) ? profile : undefined;
}

/**
 * GPUs on which `model` can run alone, in cluster order.
 * @throws UsageError E_MODEL_FITS_NO_GPU when there is none
 */
export function workersFor(problem: Problem, model: ModelId): readonly Gpu[] {
	const gpus = problem.cluster.gpus.filter((gpu) => profileOn(problem, model, [gpu]) !== undefined);
	if (gpus.length === 0) throw fitsNowhere(problem, model, 'on one GPU');
	return gpus;
}

/**
 * The first GPUs, in cluster order, that can run `model` at this tensor parallelism: of one type, and on one host where such a group exists.
 * @returns undefined when the cluster has no such group
 */
export function groupFor(
	problem: Problem,
	model: ModelId,
	tensorParallel: number,
): readonly Gpu[] | undefined {
	const firstGroup = (keyOf: (gpu: Gpu) => string): readonly Gpu[] | undefined => {
		const groups = new Map<string, Gpu[]>();
		for (const gpu of problem.cluster.gpus) {
			const key = keyOf(gpu);
			const group = groups.get(key) ?? [];
			groups.set(key, group);
			if (group.push(gpu) === tensorParallel && profileOn(problem, model, group) !== undefined) return group;
		}
		return undefined;
	};
	return firstGroup(({ host, type }) => `${host}/${type}`) ?? firstGroup(({ type }) => type);
}

/** @throws UsageError E_MODEL_FITS_NO_GPU when no group of GPUs can hold `model` */
export function checkFits(problem: Problem, model: ModelId): void {
	for (let size = 1; size <= problem.cluster.gpus.length; size *= 2)
		if (groupFor(problem, model, size) !== undefined) return;
	throw fitsNowhere(problem, model, 'on any group of GPUs');
}

/** Load plus generation of one session as the engine model forecasts it, in seconds. 0 calls need no session. */
export function sessionSeconds(
	problem: Problem,
	profile: ReplicaProfile,
	role: CallRole,
	calls: number,
): number {
	if (calls === 0) return 0;
	const { model, gpuType, tensorParallel, loadUs } = profile;
	return (
		secondsFromUs(loadUs) +
		problem.forecaster.session({ model, gpuType, tensorParallel, role, calls }).seconds
	);
}

export function fitsNowhere(problem: Problem, model: ModelId, where: string): UsageError {
	const types = [...new Set(problem.cluster.gpus.map((gpu) => gpu.type))].join(', ');
	const known = problem.profiles.filter((profile) => profile.model === model);
	const profiled = known.map(
		({ gpuType, tensorParallel, gpuBytesPerGpu }) =>
			`${tensorParallel} x ${gpuType} (${(gpuBytesPerGpu / 1e9).toFixed(1)} GB each)`,
	);
	return new UsageError(
		'E_MODEL_FITS_NO_GPU',
		`model '${model}' does not fit ${where} of this cluster (${problem.cluster.gpus.length} GPUs: ${types}); ` +
			`profiled: ${profiled.length === 0 ? 'nowhere' : profiled.join(', ')}`,
	);
}
