import { availableParallelism, totalmem } from 'node:os';
import type { ModelFolder } from './model-folder.ts';

export interface Machine {
	readonly device: 'gpu' | 'cpu';
	readonly gpuType: string;
	/** Of one GPU, or of one core's share. */
	readonly memoryBytes: number;
	readonly gpuCount: number;
}

/** KV cache of a server without a GPU, where memory is not what is measured. */
const CPU_KV_BYTES = 512 * 2 ** 20;
const CPU_BLOCK_TOKENS = 128;
const CPU_CONTEXT_TOKENS = 8192;

/**
 * The experiment in which a model folder is measured: one GPU type, one model, and settings that can be overridden with `--set` like those of any
 * other. Its step costs are there because an experiment needs some; they are what is to be measured.
 */
export function profileExperiment(model: ModelFolder, machine: Machine, python: string | undefined): string {
	const { id, hasWeights, kvBytesPerToken } = model;
	const { device, gpuType, memoryBytes, gpuCount } = machine;
	const context = Math.min(model.contextLimitTokens, device === 'cpu' ? CPU_CONTEXT_TOKENS : 1 << 20);
	const blocks = Math.max(
		Math.ceil(context / CPU_BLOCK_TOKENS) + 1,
		Math.floor(CPU_KV_BYTES / (kvBytesPerToken * CPU_BLOCK_TOKENS)),
	);
	const experiment = {
		format: 1,
		name: `profile-${id}`,
		seed: 0,
		cluster: { gpuType, gpuCount, hostRamBytes: totalmem() },
		gpuTypes: { [gpuType]: { memoryBytes } },
		engine: {
			profile: 'vllm-v1',
			config: {
				maxModelLen: context,
				...(device === 'cpu'
					? {
							...{ asyncScheduling: false, blockSize: CPU_BLOCK_TOKENS, numGpuBlocks: blocks },
							...{ maxNumSeqs: 32, maxNumBatchedTokens: 2048 },
						}
					: {}),
			},
			...(device === 'cpu' ? { reserveBytesPerGpu: 0 } : {}),
		},
		models: {
			[id]: {
				checkpoint: model.path,
				modelClass: 'instruct',
				weightBytes: model.weightBytes,
				kvBytesPerToken,
				contextLimitTokens: model.contextLimitTokens,
				outputLimitTokens: Math.floor(context / 2),
				attentionHeads: model.attentionHeads,
				...(model.countsBytes ? { tokenizer: 'bytes' } : {}),
				stepCost: {
					baseUs: 1,
					perTokenOverKneeUs: 0,
					kneeTokens: 0,
					perDecodeSequenceUs: 0,
					perContextTokenUs: 0,
				},
			},
		},
		pool: [id],
		workload: {
			task: 'mmlu_pro',
			queries: 1,
			slotsPerQuery: 1,
			slots: { [id]: 1 },
			lengths: { [id]: { body: { family: 'lognormal', mu: 4, sigma: 0.5 }, capTokens: 200 } },
		},
		aggregator: null,
		live: {
			vllm: {
				...(python === undefined ? {} : { python }),
				device,
				models: { [id]: model.path },
				extraArguments: [
					...(hasWeights ? [] : ['--load-format', 'dummy']),
					...(device === 'cpu' ? ['--enforce-eager'] : []),
				],
			},
		},
	};
	// JSON is YAML.
	return `${JSON.stringify(experiment, null, '\t')}\n`;
}

/** A machine without GPUs: each core stands for one, with its share of the memory. */
export const cpuMachine = (gpuType: string | undefined): Machine => ({
	device: 'cpu',
	gpuType: gpuType ?? 'cpu-core',
	memoryBytes: Math.floor(totalmem() / availableParallelism()),
	gpuCount: availableParallelism(),
});
