import { present } from '../../sim/domain/errors.ts';
import type { ModelId } from '../../sim/domain/ids.ts';
import type { Gpu } from '../../sim/domain/model.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';
import { checkSeats } from '../ilp/instance.ts';
import { expertWork, profileOn, workersFor } from '../workers.ts';
import type { Curve } from './curve.ts';
import { sampleCurves } from './sample-curves.ts';

/** The placement problem on session costs that depend on the size of a session, with workers that are alike counted, not listed. */
export interface CurveInstance {
	readonly types: readonly WorkerType[];
	readonly experts: readonly CurveExpert[];
	/** K: models one worker may load. */
	readonly maxModelsPerWorker: number;
}

/** GPUs of one type and memory. */
export interface WorkerType {
	readonly gpuType: string;
	readonly gpus: readonly Gpu[];
}

export interface CurveExpert {
	readonly model: ModelId;
	/** N_m, at least 1. */
	readonly calls: number;
	/** Per worker type; null where the model does not fit. All reach to `calls`. */
	readonly curves: readonly (Curve | null)[];
}

/**
 * The instance of a problem. There is no cap on replicas: equation 8 guards a linear cost model against loads that it underrates, and
 * these curves know what a part of a session costs.
 * @throws UsageError E_MODEL_FITS_NO_GPU, E_TOO_FEW_SEATS
 */
export function createCurveInstance(problem: Problem): CurveInstance {
	checkSeats(problem);
	const { cluster, options } = problem;
	const types = workerTypes(cluster.gpus);
	const work = expertWork(problem).map(({ model, calls }) => ({
		model,
		calls,
		fitting: new Set(workersFor(problem, model).map(({ id }) => id)),
	}));
	const { maxModelsPerWorker } = options;
	const requests = work.map(({ model, calls, fitting }) => ({
		calls,
		profiles: types.map(({ gpus }) => {
			const gpu = present(gpus[0], 'gpu of a type');
			return fitting.has(gpu.id) ? present(profileOn(problem, model, [gpu]), `profile of ${model}`) : null;
		}),
	}));
	const curves = sampleCurves(problem, requests);
	const experts = work.map(({ model, calls }, m) => ({ model, calls, curves: curves[m] ?? [] }));
	return { types, experts, maxModelsPerWorker };
}

function workerTypes(gpus: readonly Gpu[]): readonly WorkerType[] {
	const groups = new Map<string, Gpu[]>();
	for (const gpu of gpus) {
		const key = `${gpu.memoryBytes}/${gpu.type}`;
		groups.set(key, [...(groups.get(key) ?? []), gpu]);
	}
	return [...groups.values()].map((own) => ({ gpuType: present(own[0], 'gpu').type, gpus: own }));
}
