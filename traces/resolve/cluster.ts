import { gpuId, hostId } from '../../sim/domain/ids.ts';
import type { Cluster } from '../../sim/domain/model.ts';
import { didYouMean } from '../did-you-mean.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { FieldPath } from '../experiment-text.ts';
import { gpuTypeNames } from '../read-profile.ts';
import { gpuMemoryBytes } from './catalog.ts';
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
	if (cluster.gpus !== undefined) {
		const gpus = cluster.gpus.map(({ type, host }, index) => ({
			id: gpuId(`gpu${index}`),
			type,
			memoryBytes: memory(experiment, type, ['cluster', 'gpus', index, 'type'], fail),
			host: hostId(host),
		}));
		return { gpus, hosts: hosts(experiment, new Set(gpus.map((gpu) => gpu.host))) };
	}
	const { gpuCount, gpuType } = cluster;
	if (gpuCount === undefined)
		throw fail(['cluster', 'gpuCount'], 'E_EXPERIMENT_VALUE', 'a whole number', 'nothing');
	if (gpuType === undefined) throw fail(['cluster', 'gpuType'], 'E_EXPERIMENT_VALUE', 'text', 'nothing');
	const memoryBytes = memory(experiment, gpuType, ['cluster', 'gpuType'], fail);
	const host = hostId('host0');
	const gpus = Array.from({ length: gpuCount }, (_, index) => ({
		id: gpuId(`gpu${index}`),
		type: gpuType,
		memoryBytes,
		host,
	}));
	return { gpus, hosts: hosts(experiment, new Set([host])) };
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
	throw fail(path, 'E_UNKNOWN_GPU_TYPE', `one of ${known.join(', ')}`, `'${type}'${didYouMean(type, known)}`);
}

const hosts = (experiment: Experiment, ids: ReadonlySet<ReturnType<typeof hostId>>): Cluster['hosts'] =>
	[...ids].map((id) => ({ id, ramBytes: experiment.cluster.hostRamBytes }));
