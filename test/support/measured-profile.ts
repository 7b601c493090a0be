import type { MeasuredProfile } from '../../traces/index.ts';

const timing = (seconds: number) => ({
	seconds,
	lowSeconds: 0.9 * seconds,
	highSeconds: 1.2 * seconds,
	samples: 5,
});

/** A made-up profile of model `m` on GPU type `g`, with parts replaced. */
export const measuredProfile = (
	parts: {
		readonly model?: Partial<MeasuredProfile['model']>;
		readonly gpu?: Partial<MeasuredProfile['gpu']>;
		readonly tensorParallel?: number;
		readonly lengths?: MeasuredProfile['lengths'];
		readonly times?: Partial<MeasuredProfile['times']>;
	} = {},
): MeasuredProfile => ({
	format: 1,
	about: 'made up for a test',
	model: {
		id: 'm',
		checkpoint: 'tiny/m',
		modelClass: 'instruct',
		weightBytes: 1_000_000,
		kvBytesPerToken: 512,
		contextLimitTokens: 8192,
		outputLimitTokens: 500,
		attentionHeads: 4,
		tokenizer: 'bytes',
		chatWrapperTokens: 20,
		...parts.model,
	},
	gpu: { type: 'g', memoryBytes: 2_000_000_000, ...parts.gpu },
	tensorParallel: parts.tensorParallel ?? 1,
	engine: {
		name: 'vllm',
		version: '0.32.0',
		config: {
			blockSize: 128,
			numGpuBlocks: 512,
			maxNumSeqs: 32,
			maxNumBatchedTokens: 2048,
			maxModelLen: 4096,
			longPrefillTokenThreshold: 0,
			policy: 'fcfs',
			asyncScheduling: false,
			watermark: 0,
			reserveFullIsl: true,
			prefixCaching: true,
		},
	},
	step: {
		hostUs: 300,
		hostPerSequenceUs: 12,
		baseUs: 1100,
		perTokenOverKneeUs: 3.5,
		kneeTokens: 0,
		perDecodeSequenceUs: 20,
		perContextTokenUs: 0.05,
		perPrefillTokenSquaredUs: 1e-7,
		allReduceUs: 0,
	},
	stepFit: { steps: 900, meanErrorPercent: 4, p95ErrorPercent: 9, maxErrorPercent: 31 },
	times: { load: timing(42.5), stop: timing(0.4), sleep1: null, sleep2: null, ...parts.times },
	memory: { gpuBytesPerGpu: 1_500_000_000, sleepingGpuBytesPerGpu: 0, sleepingHostBytes: 0 },
	lengths: parts.lengths ?? {},
	source: {
		date: '2026-09-01',
		command: 'mosaic profile --backend vllm --model m',
		machine: '2 cores, 24 GiB',
		version: '0.1.0',
	},
});

export const measuredTiming = timing;
