import type { ReplicaProfile } from '../../sim/domain/model.ts';
import { experimentSchema } from '../experiment-schema.ts';
import { engineProfile } from '../read-profile.ts';
import { findModel } from './catalog.ts';
import { resolveCluster } from './cluster.ts';
import { replicaProfiles } from './replica-profiles.ts';

/** Bundled profile of one model alone on one GPU; undefined when a name is not bundled or it does not fit. */
export function bundledReplica(
	gpuType: string,
	model: string,
	engineName: string,
): ReplicaProfile | undefined {
	const engine = engineProfile(engineName);
	const experiment = experimentSchema.parse({
		format: 1,
		name: 'one-replica',
		cluster: { gpuType, gpuCount: 1 },
		engine: { profile: engineName },
		pool: [model],
		workload: { task: 'none', queries: 1, slotsPerQuery: 1, slots: { [model]: 1 } },
	});
	const entry = findModel(experiment, model);
	if (engine === undefined || entry === undefined) return undefined;
	const cluster = resolveCluster(
		experiment,
		(_, code, expected, got) => new Error(`${code} ${expected} ${got}`) as never,
	);
	return replicaProfiles(experiment, engine, cluster, entry).find(
		({ tensorParallel }) => tensorParallel === 1,
	);
}
