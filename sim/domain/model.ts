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
}

export interface Host {
	readonly id: HostId;
	readonly ramBytes: number;
}

export interface Cluster {
	readonly gpus: readonly Gpu[];
	readonly hosts: readonly Host[];
}

/**
 * Time of one engine step, in microseconds:
 * `host + hostPerSequence*sequences + base + perTokenOverKnee*max(0, n - knee) + perDecodeSequence*d + perContextToken*S
 *  + perPrefillTokenSquared*p^2 + allReduce`, with n tokens in the step, p of them prefill, d decoding sequences, S their
 * total context in tokens, and `sequences` all sequences scheduled in the step.
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
	readonly sleepUs: TimeUs;
	readonly wakeUs: TimeUs;
	/** Memory the engine reserves on each of its GPUs (weights, KV, activations, graphs). */
	readonly gpuBytesPerGpu: number;
	/** Host RAM that its weights take while asleep at level 1. */
	readonly sleepingHostBytes: number;
}
