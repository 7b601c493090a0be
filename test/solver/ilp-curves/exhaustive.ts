import type { Plan } from '../../../sim/domain/plan.ts';
import type { Problem } from '../../../sim/domain/scheduler.ts';

/** Session costs as they stand in the details of an `ilp-curves` plan. */
export interface CostTable {
	readonly curves: readonly {
		readonly model: string;
		readonly gpuType: string;
		readonly calls: readonly number[];
		readonly seconds: readonly number[];
	}[];
}

/**
 * The shortest plan by trying every split of every expert's calls over the GPUs: sessions one after another, each at its price in the plan's
 * own table, at most K a GPU, only where the model's memory fits. Slow and obvious.
 * @returns Infinity when no split keeps the limits
 */
export function exhaustiveSeconds(problem: Problem, plan: Plan): number {
	const { curves } = plan.details as unknown as CostTable;
	const { gpus } = problem.cluster;
	const experts = problem.expertCalls.filter(({ count }) => count > 0);
	const busy = gpus.map(() => 0);
	const models = gpus.map(() => 0);
	let best = Number.POSITIVE_INFINITY;

	const costOf = (model: string, gpu: (typeof gpus)[number], calls: number): number => {
		const fits = problem.profiles.some(
			(profile) =>
				profile.model === model &&
				profile.gpuType === gpu.type &&
				profile.tensorParallel === 1 &&
				profile.gpuBytesPerGpu <= gpu.memoryBytes,
		);
		const table = curves.find((curve) => curve.model === model && curve.gpuType === gpu.type);
		if (!fits || table === undefined) return Number.POSITIVE_INFINITY;
		const points = table.calls.map((x, i) => ({ x, y: table.seconds[i] as number }));
		const exact = points.find(({ x }) => x === calls);
		if (exact !== undefined) return exact.y;
		const above = points.find(({ x }) => x > calls);
		const below = points.findLast(({ x }) => x < calls);
		if (above === undefined) return Number.POSITIVE_INFINITY;
		if (below === undefined) return above.y;
		return below.y + ((above.y - below.y) * (calls - below.x)) / (above.x - below.x);
	};
	const place = (m: number, n: number, left: number): void => {
		const expert = experts[m];
		if (expert === undefined) {
			best = Math.min(best, Math.max(...busy));
			return;
		}
		const gpu = gpus[n];
		if (gpu === undefined) {
			if (left === 0) place(m + 1, 0, experts[m + 1]?.count ?? 0);
			return;
		}
		place(m, n + 1, left);
		if (models[n] === problem.options.maxModelsPerWorker) return;
		for (let calls = 1; calls <= left; calls++) {
			const seconds = costOf(expert.model, gpu, calls);
			const before = busy[n] as number;
			busy[n] = before + seconds;
			models[n] = (models[n] as number) + 1;
			if (before + seconds < best) place(m, n + 1, left - calls);
			busy[n] = before;
			models[n] = (models[n] as number) - 1;
		}
	};
	place(0, 0, experts[0]?.count ?? 0);
	return best;
}
