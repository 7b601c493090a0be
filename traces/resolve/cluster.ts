import { gpuId, hostId } from '../../sim/domain/ids.ts';
import type { Cluster, Gpu } from '../../sim/domain/model.ts';
import { oneOf } from '../../sim/domain/one-of.ts';
import { didYouMean } from '../did-you-mean.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { FieldPath } from '../experiment-text.ts';
import { gpuTypeNames } from '../read-profile.ts';
import { gpuMemoryBytes, sharedSpeeds } from './catalog.ts';
import type { Fail } from './fail.ts';

/** GPUs `gpu0`, `gpu1`, ... in file order, and their hosts. */
export function resolveCluster(experiment: Experiment, fail: Fail): Cluster {
	const { cluster } = experiment;
	const listed = cluster.gpus !== undefined;
	if (listed === (cluster.gpuCount !== undefined || cluster.gpuType !== undefined)) {
		throw fail(
			['cluster'],
			'E_EXPERIMENT_VALUE',
			'either gpuCount and gpuType, or a list gpus',
			listed ? 'both' : 'neither',
		);
	}
	const gpus = (cluster.gpus ?? alike(cluster, fail)).map(({ type, host }, index): Gpu => {
		const path = listed ? ['cluster', 'gpus', index, 'type'] : ['cluster', 'gpuType'];
		const speeds = sharedSpeeds(experiment, type);
		return {
			id: gpuId(`gpu${index}`),
			type,
			memoryBytes: memory(experiment, type, path, fail),
			host: hostId(host),
			...(speeds === undefined ? {} : { sharedSpeeds: speeds }),
		};
	});
	const hosts = [...new Set(gpus.map((gpu) => gpu.host))].map((id) => ({
		id,
		ramBytes: cluster.hostRamBytes,
	}));
	return { gpus, hosts, enginesPerGpu: cluster.enginesPerGpu };
}

/** `gpuCount` GPUs of `gpuType`. */
function alike({ gpuCount, gpuType }: Experiment['cluster'], fail: Fail): { type: string; host: string }[] {
	if (gpuCount === undefined)
		throw fail(['cluster', 'gpuCount'], 'E_EXPERIMENT_VALUE', 'a whole number', 'nothing');
	if (gpuType === undefined) throw fail(['cluster', 'gpuType'], 'E_EXPERIMENT_VALUE', 'text', 'nothing');
	return Array.from({ length: gpuCount }, () => ({ type: gpuType, host: 'host0' }));
}

/** Most GPUs of one type in one host: the largest group tensor parallelism can use. */
export function largestGroups(cluster: Cluster): ReadonlyMap<string, number> {
	const byPlace = new Map<string, number>();
	const byType = new Map<string, number>();
	for (const { type, host } of cluster.gpus) {
		const place = JSON.stringify([type, host]);
		const count = (byPlace.get(place) ?? 0) + 1;
		byPlace.set(place, count);
		byType.set(type, Math.max(byType.get(type) ?? 0, count));
	}
	return byType;
}

function memory(experiment: Experiment, type: string, path: FieldPath, fail: Fail): number {
	const bytes = gpuMemoryBytes(experiment, type);
	if (bytes !== undefined) return bytes;
	const known = [...Object.keys(experiment.gpuTypes), ...gpuTypeNames()];
	throw fail(path, 'E_UNKNOWN_GPU_TYPE', oneOf(known), `'${type}'${didYouMean(type, known)}`);
}
