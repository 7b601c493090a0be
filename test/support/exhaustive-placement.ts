import type { PlacementInstance } from '../../solver/ilp/instance.ts';

/**
 * The optimum of equations 4 to 10 by trying every split of every expert's calls over the workers. Slow and obvious.
 * @returns Infinity when no placement keeps the limits
 */
export function exhaustiveOptimumSeconds({
	experts,
	workers,
	maxModelsPerWorker,
}: PlacementInstance): number {
	const loadSeconds = workers.map(() => 0);
	const loadedModels = workers.map(() => 0);
	let best = Number.POSITIVE_INFINITY;

	const tryExpert = (m: number): void => {
		const expert = experts[m];
		if (expert === undefined) {
			best = Math.min(best, Math.max(...loadSeconds));
			return;
		}
		const tryWorker = (n: number, left: number, replicas: number): void => {
			if (n === workers.length) {
				if (left === 0) tryExpert(m + 1);
				return;
			}
			tryWorker(n + 1, left, replicas);
			const cost = expert.costs[n] ?? null;
			if (cost === null || replicas === expert.cap || loadedModels[n] === maxModelsPerWorker) return;
			for (let calls = 1; calls <= left; calls++) {
				const seconds = cost.loadSeconds + calls * cost.secondsPerCall;
				const before = loadSeconds[n] ?? 0;
				loadSeconds[n] = before + seconds;
				loadedModels[n] = (loadedModels[n] ?? 0) + 1;
				if (before + seconds < best) tryWorker(n + 1, left - calls, replicas + 1);
				loadSeconds[n] = before;
				loadedModels[n] = (loadedModels[n] ?? 0) - 1;
			}
		};
		tryWorker(0, expert.calls, 0);
	};
	tryExpert(0);
	return best;
}
