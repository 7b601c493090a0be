import type { GpuId, ModelId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { View } from '../../sim/domain/scheduler.ts';
import { groupOf } from './gpu-groups.ts';

/** Whether a model can be started on a GPU: it fits, and its engine has not died there too often. */
export function canStart(view: View, model: ModelId, gpus: readonly GpuId[]): boolean {
	const profile = view.profile(model, gpus);
	if (profile === undefined) return false;
	const own = view.cluster.gpus.filter(({ id }) => gpus.includes(id));
	if (own.some(({ memoryBytes }) => memoryBytes < profile.gpuBytesPerGpu)) return false;
	let deaths = 0;
	for (const replica of view.replicas) {
		if (replica.model !== model || !isSameGroup(replica.gpus, gpus)) continue;
		const hasServed = replica.dispatched.expert + replica.dispatched.aggregator > 0;
		if (replica.state === 'failed' && !hasServed) deaths++;
		else if (hasServed) deaths = 0;
	}
	return deaths < MOST_DEATHS;
}

/** On one GPU of the first type that it was profiled on; else on the smallest group that can hold it. */
export function anyProfile(view: View, model: ModelId): ReplicaProfile | undefined {
	for (const { id } of view.cluster.gpus) {
		const profile = view.profile(model, [id]);
		if (profile !== undefined) return profile;
	}
	const group = groupOf(view, model);
	return group === undefined ? undefined : view.profile(model, group);
}

const isSameGroup = (some: readonly GpuId[], others: readonly GpuId[]): boolean =>
	some.length === others.length && some.every((gpu) => others.includes(gpu));

/** Engines of a model that die on the same GPUs in a row, without having served a call, before it is tried there no more. */
const MOST_DEATHS = 2;
