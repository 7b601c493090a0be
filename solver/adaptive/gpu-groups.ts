import type { GpuId, ModelId } from '../../sim/domain/ids.ts';
import type { Gpu } from '../../sim/domain/model.ts';
import type { View } from '../../sim/domain/scheduler.ts';

/** The smallest group of GPUs of one type, of one host or else of any, that a model was profiled on together and fits; undefined without one. */
export function groupOf(view: View, model: ModelId): readonly GpuId[] | undefined {
	const pools = [...gpusByHost(view), ...gpusBy(view, ({ type }) => type)];
	for (const pool of pools)
		for (let size = 2; size <= pool.length; size *= 2) {
			const group = pool.slice(0, size);
			const gpus = group.map(({ id }) => id);
			const bytes = view.profile(model, gpus)?.gpuBytesPerGpu;
			if (bytes !== undefined && group.every(({ memoryBytes }) => memoryBytes >= bytes)) return gpus;
		}
	return undefined;
}

/** GPUs of one type of each host. */
export const gpusByHost = (view: View): readonly (readonly Gpu[])[] =>
	gpusBy(view, ({ host, type }) => `${host}/${type}`);

function gpusBy({ cluster }: View, keyOf: (gpu: Gpu) => string): readonly (readonly Gpu[])[] {
	const pools = new Map<string, Gpu[]>();
	for (const gpu of cluster.gpus) {
		const key = keyOf(gpu);
		pools.set(key, [...(pools.get(key) ?? []), gpu]);
	}
	return [...pools.values()];
}
