import type { Cluster, EngineConfig, ReplicaProfile, SleepTimes, StepCost } from '../../sim/domain/model.ts';
import { usFromSeconds } from '../../sim/domain/units.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { EngineFile } from '../profile-schema.ts';
import { gpuMemoryBytes, type KernelCost, type ModelEntry } from './catalog.ts';
import { largestGroups } from './cluster.ts';
import { measuredReplica } from './measured.ts';

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
		const measured = entry.measured.filter(({ gpu }) => gpu.type === gpuType);
		// What was measured is not mixed with what is estimated for the same model and GPU type.
		if (measured.length > 0) {
			const fitting = measured.filter(({ tensorParallel }) => tensorParallel <= gpuCount);
			const longest = maxModelLen(experiment, engine, entry);
			profiles.push(
				...fitting
					.map((profile) => measuredReplica(profile, experiment.engine.config, longest))
					.sort((a, b) => a.tensorParallel - b.tensorParallel),
			);
			continue;
		}
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
	const measured = entry.measured.map((profile) => profile.engine.config.maxModelLen);
	const byDefault = measured.length > 0 ? Number.POSITIVE_INFINITY : engine.maxModelLen.tokens;
	return Math.min(
		entry.model.contextLimitTokens,
		experiment.engine.config.maxModelLen ?? byDefault,
		...measured,
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
	const share = memoryShare(experiment, engine, entry);
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
			...graphs(experiment, engine, config, kernel),
		},
		loadUs: Math.max(1, usFromSeconds(load.fixedSeconds + weightBytes / load.bytesPerSecond)),
		stopUs: usFromSeconds(engine.stop.seconds),
		sleep: {
			1: sleepTimes(engine.sleep, weightBytes / tensorParallel),
			2: sleepTimes(engine.deepSleep, weightBytes),
		},
		gpuBytesPerGpu: Math.floor(
			(gpuMemoryBytes(experiment, gpuType) ?? 0) * memoryShare(experiment, engine, entry),
		),
		sleepingGpuBytesPerGpu: engine.asleep.gpuBytes,
		sleepingHostBytes: weightBytes,
	};
}

/** Share of a GPU that an engine of this model takes. */
function memoryShare({ engine: overrides }: Experiment, engine: EngineFile, { model }: ModelEntry): number {
	return (
		overrides.gpuMemoryShareByModel[model.id] ?? overrides.gpuMemoryShare ?? engine.memory.gpuMemoryShare
	);
}

const sleepTimes = (times: EngineFile['sleep'], bytes: number): SleepTimes => ({
	sleepUs: usFromSeconds(times.sleepFixedSeconds + bytes / times.sleepBytesPerSecond),
	wakeUs: usFromSeconds(times.wakeFixedSeconds + bytes / times.wakeBytesPerSecond),
});

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

/** Which CUDA graphs pad the batches, if any do. */
function graphs(
	{ engine: overrides }: Experiment,
	{ cudaGraphs }: EngineFile,
	{ maxNumSeqs, maxNumBatchedTokens }: EngineConfig,
	kernel: KernelCost,
): Pick<StepCost, 'graphLimitSequences'> {
	const wanted = overrides.graphLimitSequences ?? kernel.graphLimitSequences ?? cudaGraphs.limitSequences;
	const graphLimitSequences = Math.min(wanted, 2 * maxNumSeqs, maxNumBatchedTokens);
	return graphLimitSequences > 0 ? { graphLimitSequences } : {};
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
