import type { GpuId, HostId, ModelId } from './ids.ts';
import type { TimeUs } from './units.ts';

export type ModelClass = 'instruct' | 'reasoning';

/** Weights and limits of one LLM. */
export interface Model {
	readonly id: ModelId;
	/** Public checkpoint name, for people. */
	readonly checkpoint: string;
	readonly modelClass: ModelClass;
	readonly weightBytes: number;
	readonly kvBytesPerToken: number;
	readonly contextLimitTokens: number;
	readonly outputLimitTokens: number;
	/** Tensor parallelism must divide it. */
	readonly attentionHeads: number;
}

export interface Gpu {
	readonly id: GpuId;
	/** Device type as in the profiles, e.g. `A100-SXM-80GB`. */
	readonly type: string;
	readonly memoryBytes: number;
	readonly host: HostId;
	/**
	 * Speed of each engine as a share of its speed alone while 1, 2, ... engines execute steps on this GPU; begins with 1, never rises, at
	 * most 16 long. For numbers of engines that were not measured, and where it is absent, they share equally and add up to 1.
	 */
	readonly sharedSpeeds?: readonly number[];
}

export interface Host {
	readonly id: HostId;
	readonly ramBytes: number;
}

export interface Cluster {
	readonly gpus: readonly Gpu[];
	readonly hosts: readonly Host[];
	/** Engines that may be on one GPU at a time, asleep ones not counted; at least 1. */
	readonly enginesPerGpu: number;
}

/** 1: weights go to host RAM. 2: they are dropped, and read again to wake. Both drop the KV cache. */
export type SleepLevel = 1 | 2;

export interface SleepTimes {
	/** From the order until its memory is free. */
	readonly sleepUs: TimeUs;
	/** From the order until it serves again. */
	readonly wakeUs: TimeUs;
}

/**
 * Time of one engine step, in microseconds:
 * `host + hostPerSequence*sequences + base + perTokenOverKnee*max(0, n - knee) + perDecodeSequence*d + perContextToken*S
 *  + perPrefillTokenSquared*Q + allReduce`, with n tokens in the step, d decoding sequences, S their total context in tokens,
 * `sequences` all sequences scheduled in the step, and Q the sum over its prefilling sequences of the square of their tokens in
 * the step: attention does not cross sequences. A step of one token for each sequence runs as a CUDA graph of the next captured
 * size: n and d are those of the graph, up to `graphLimitSequences`.
 */
export interface StepCost {
	readonly hostUs: number;
	readonly hostPerSequenceUs: number;
	readonly baseUs: number;
	readonly perTokenOverKneeUs: number;
	readonly kneeTokens: number;
	readonly perDecodeSequenceUs: number;
	readonly perContextTokenUs: number;
	readonly perPrefillTokenSquaredUs: number;
	/** Communication of tensor parallelism; 0 on one GPU. */
	readonly allReduceUs: number;
	/** Largest captured CUDA graph. Absent or 0: every step runs at its own size, or the coefficients hold the padding already. */
	readonly graphLimitSequences?: number;
}

/** vLLM's own scheduler settings, under vLLM's own names. Sizes in tokens, blocks or sequences. */
export interface EngineConfig {
	/** Tokens per KV block. */
	readonly blockSize: number;
	/** Blocks including the null block, so `numGpuBlocks - 1` are usable. */
	readonly numGpuBlocks: number;
	readonly maxNumSeqs: number;
	readonly maxNumBatchedTokens: number;
	readonly maxModelLen: number;
	/** Tokens; 0 = off. */
	readonly longPrefillTokenThreshold: number;
	readonly policy: 'fcfs' | 'priority';
	readonly asyncScheduling: boolean;
	/** Share of numGpuBlocks kept free at admission, 0 to 1. */
	readonly watermark: number;
	readonly reserveFullIsl: boolean;
	readonly prefixCaching: boolean;
}

/** What was measured, or derived with a stated source, for one model on `tensorParallel` GPUs of one type under one engine version. */
export interface ReplicaProfile {
	readonly model: ModelId;
	readonly gpuType: string;
	readonly tensorParallel: number;
	readonly engine: EngineConfig;
	readonly step: StepCost;
	/** Cold start until the server answers. At least 1. */
	readonly loadUs: TimeUs;
	readonly stopUs: TimeUs;
	/** Null where the engine cannot sleep so. */
	readonly sleep: Readonly<Record<SleepLevel, SleepTimes | null>>;
	/** Memory the engine reserves on each of its GPUs (weights, KV, activations, graphs). */
	readonly gpuBytesPerGpu: number;
	/** What its process keeps on each of its GPUs while asleep. */
	readonly sleepingGpuBytesPerGpu: number;
	/** Host RAM that its weights take while asleep at level 1, on all its hosts together. */
	readonly sleepingHostBytes: number;
}
