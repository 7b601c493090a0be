import type { Cluster, EngineConfig, ReplicaProfile, StepCost } from '../../sim/domain/model.ts';
import { usFromSeconds } from '../../sim/domain/units.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { EngineFile } from '../profile-schema.ts';
import { gpuMemoryBytes, type ModelEntry } from './catalog.ts';
import { largestGroups } from './cluster.ts';

/**
 * Profiles of one model for every GPU type of the cluster and every tensor parallelism that can run: powers of two up to the GPUs of
 * that type in one host that divide the attention heads, with room for one sequence of the largest length beside the weights
 * (vLLM refuses to start without).
 */
export function replicaProfiles(
	experiment: Experiment,
	engine: EngineFile,
	cluster: Cluster,
	entry: ModelEntry,
): readonly ReplicaProfile[] {
	const profiles: ReplicaProfile[] = [];
	for (const [gpuType, gpuCount] of largestGroups(cluster)) {
		for (let tensorParallel = 1; tensorParallel <= gpuCount; tensorParallel *= 2) {
			if (entry.model.attentionHeads % tensorParallel !== 0) break;
			const profile = replicaProfile(experiment, engine, entry, gpuType, tensorParallel);
			if (profile !== undefined) profiles.push(profile);
		}
	}
	return profiles;
}

/** Prompt and output together that an engine of this model takes, tokens. */
export function maxModelLen(experiment: Experiment, engine: EngineFile, entry: ModelEntry): number {
	return Math.min(
		entry.model.contextLimitTokens,
		experiment.engine.config.maxModelLen ?? engine.maxModelLen.tokens,
	);
}

/** KV tokens beside the weights on `tensorParallel` GPUs; negative when the weights alone do not fit. */
export function kvCapacityTokens(
	experiment: Experiment,
	engine: EngineFile,
	entry: ModelEntry,
	gpuType: string,
	tensorParallel: number,
): number {
	const share = experiment.engine.gpuMemoryShare ?? engine.memory.gpuMemoryShare;
	const reserveBytes = experiment.engine.reserveBytesPerGpu ?? engine.memory.reserveBytesPerGpu;
	const usableBytes = tensorParallel * ((gpuMemoryBytes(experiment, gpuType) ?? 0) * share - reserveBytes);
	return Math.floor((usableBytes - entry.model.weightBytes) / entry.model.kvBytesPerToken);
}

function replicaProfile(
	experiment: Experiment,
	engine: EngineFile,
	entry: ModelEntry,
	gpuType: string,
	tensorParallel: number,
): ReplicaProfile | undefined {
	const kernel = entry.kernelCost(gpuType);
	if (kernel === undefined) return undefined;
	const longest = maxModelLen(experiment, engine, entry);
	const kvTokens = kvCapacityTokens(experiment, engine, entry, gpuType, tensorParallel);
	if (kvTokens < longest) return undefined;

	const settings = engineSettings(engine, gpuType);
	const blockSize = experiment.engine.config.blockSize ?? settings.blockSize;
	const config: EngineConfig = {
		...settings,
		numGpuBlocks: Math.floor(kvTokens / blockSize),
		...defined(experiment.engine.config),
		maxModelLen: longest,
	};
	if (config.numGpuBlocks * blockSize > kvTokens) return undefined;

	const group = tensorParallel > 1;
	const { weightBytes } = entry.model;
	const load = {
		fixedSeconds: experiment.engine.loadFixedSeconds ?? engine.load.fixedSeconds,
		bytesPerSecond: experiment.engine.loadBytesPerSecond ?? engine.load.bytesPerSecond,
	};
	const { sleep } = engine;
	return {
		model: entry.model.id,
		gpuType,
		tensorParallel,
		engine: config,
		step: {
			...hostTime(experiment, engine, gpuType, group),
			baseUs: kernel.baseUs / tensorParallel,
			perTokenOverKneeUs: kernel.perTokenOverKneeUs / tensorParallel,
			kneeTokens: kernel.kneeTokens,
			perDecodeSequenceUs: kernel.perDecodeSequenceUs / tensorParallel,
			perContextTokenUs: kernel.perContextTokenUs / tensorParallel,
			perPrefillTokenSquaredUs: kernel.perPrefillTokenSquaredUs / tensorParallel,
			allReduceUs: group ? engine.tensorParallel.allReduceUs : 0,
		},
		loadUs: Math.max(1, usFromSeconds(load.fixedSeconds + weightBytes / load.bytesPerSecond)),
		stopUs: usFromSeconds(engine.stop.seconds),
		sleepUs: usFromSeconds(
			sleep.sleepFixedSeconds + weightBytes / tensorParallel / sleep.sleepBytesPerSecond,
		),
		wakeUs: usFromSeconds(sleep.wakeFixedSeconds + weightBytes / tensorParallel / sleep.wakeBytesPerSecond),
		gpuBytesPerGpu: Math.floor(
			(gpuMemoryBytes(experiment, gpuType) ?? 0) *
				(experiment.engine.gpuMemoryShare ?? engine.memory.gpuMemoryShare),
		),
		sleepingHostBytes: weightBytes,
	};
}

/** Host time of a step; on more than one GPU the profile may have its own. */
function hostTime(
	{ engine: overrides }: Experiment,
	profile: EngineFile,
	gpuType: string,
	group: boolean,
): Pick<StepCost, 'hostUs' | 'hostPerSequenceUs'> {
	const own: Partial<EngineFile['tensorParallel']> = group ? profile.tensorParallel : {};
	const { stepUs } = profile.hostByGpuType[gpuType] ?? profile.host;
	const perSequenceUs = group ? overrides.groupHostPerSequenceUs : overrides.hostPerSequenceUs;
	return {
		hostUs: overrides.hostUs ?? own.hostStepUs ?? stepUs,
		hostPerSequenceUs: perSequenceUs ?? own.hostPerSequenceStepUs ?? profile.hostPerSequence.stepUs,
	};
}

type EngineSettings = Omit<EngineConfig, 'numGpuBlocks' | 'maxModelLen'>;

function engineSettings(engine: EngineFile, gpuType: string): EngineSettings {
	const { basis: _, source: __, ...general } = engine.config;
	return { ...general, ...defined(engine.configByGpuType[gpuType] ?? {}, ['basis', 'source']) };
}

/** Only the fields that are set, so that spreading never erases one. */
function defined<T extends object>(
	fields: T,
	except: readonly string[] = [],
): { [K in keyof T]?: Exclude<T[K], undefined> } {
	return Object.fromEntries(
		Object.entries(fields).filter(([key, value]) => value !== undefined && !except.includes(key)),
	) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
