/** Shapes of the files in traces/profiles. Every record of numbers says where they come from. */
import { z } from 'zod';
import { lengthDistributionSchema } from './length-schema.ts';
import { sharedSpeedsSchema } from './shared-speeds-schema.ts';

/**
 * measured: counted or timed by somebody, here cited; published: stated by the authors or a vendor; fitted: parameters that make a
 * model meet measured or published numbers; proxy: a close relative's value; assumed: a choice without data; unverified: remembered.
 */
const basis = z.enum(['measured', 'published', 'fitted', 'proxy', 'assumed', 'unverified']);
const sourced = { basis, source: z.string().min(1) };

const positive = z.number().positive();
const nonNegative = z.number().min(0);
const knots = z.array(z.tuple([z.number().gt(0).lt(1), positive])).min(2);

export const modelsFileSchema = z.strictObject({
	about: z.string(),
	models: z.record(
		z.string(),
		z.strictObject({
			checkpoint: z.string(),
			modelClass: z.enum(['instruct', 'reasoning']),
			weightBytes: z.int().positive(),
			/** Without what a decode step does not touch, such as the input embedding. Scales step times. */
			weightBytesReadPerStep: z.int().positive(),
			kvBytesPerToken: z.int().positive(),
			contextLimitTokens: z.int().positive(),
			outputLimitTokens: z.int().positive(),
			attentionHeads: z.int().positive(),
			/** Whose prompt lengths it uses. */
			tokenizer: z.string(),
			tokenizerBasis: z.enum(['own', 'proxy']),
			/** Key of `chatWrappers` in prompts.json. */
			chatWrapper: z.string(),
			...sourced,
		}),
	),
});

export const promptsFileSchema = z.strictObject({
	about: z.string(),
	chatWrappers: z.record(z.string(), z.strictObject({ tokens: z.int().min(0), ...sourced })),
	aggregatorPrompt: z.strictObject({
		baseTokens: z.int().min(0),
		perAnswerTokens: z.int().min(0),
		...sourced,
	}),
});

export const gpuFileSchema = z.strictObject({
	about: z.string(),
	type: z.string(),
	memoryBytes: z.int().positive(),
	...sourced,
	/** How fast engines go that share a GPU of this type; absent: not measured. */
	sharing: z.strictObject({ sharedSpeeds: sharedSpeedsSchema, ...sourced }).optional(),
	stepCost: z.record(
		z.string(),
		z.strictObject({
			baseUs: nonNegative,
			perTokenOverKneeUs: nonNegative,
			kneeTokens: nonNegative,
			perDecodeSequenceUs: nonNegative,
			perContextTokenUs: nonNegative,
			perPrefillTokenSquaredUs: nonNegative,
			/** Relative error of the fit against the sums of kernel times. */
			fitErrorPercent: z.strictObject({ mean: nonNegative, p95: nonNegative, max: nonNegative }),
			...sourced,
		}),
	),
});

const engineConfig = {
	maxNumSeqs: z.int().positive(),
	maxNumBatchedTokens: z.int().positive(),
	blockSize: z.int().positive(),
	longPrefillTokenThreshold: z.int().min(0),
	policy: z.enum(['fcfs', 'priority']),
	watermark: z.number().min(0).max(1),
	reserveFullIsl: z.boolean(),
	asyncScheduling: z.boolean(),
	prefixCaching: z.boolean(),
};
/** Seconds of going to sleep and waking: fixed + weight bytes / rate. */
const sleepTimes = z.strictObject({
	wakeFixedSeconds: nonNegative,
	wakeBytesPerSecond: positive,
	sleepFixedSeconds: nonNegative,
	sleepBytesPerSecond: positive,
	...sourced,
});
const stepTime = z.strictObject({ stepUs: nonNegative, ...sourced });

export const engineFileSchema = z.strictObject({
	about: z.string(),
	name: z.string(),
	config: z.strictObject({ ...engineConfig, ...sourced }),
	configByGpuType: z.record(
		z.string(),
		z.strictObject({ ...z.object(engineConfig).partial().shape, ...sourced }),
	),
	maxModelLen: z.strictObject({ tokens: z.int().positive(), ...sourced }),
	/** Host time of a step. */
	host: stepTime,
	hostByGpuType: z.record(z.string(), stepTime),
	/** Host time of a step for each sequence scheduled in it. */
	hostPerSequence: stepTime,
	tensorParallel: z.strictObject({
		allReduceUs: nonNegative,
		/** Host time in place of `host` on more than one GPU. */
		hostStepUs: nonNegative.optional(),
		/** Host time for each sequence in place of `hostPerSequence` on more than one GPU. */
		hostPerSequenceStepUs: nonNegative.optional(),
		...sourced,
	}),
	/**
	 * Largest CUDA graph that it captures, besides twice maxNumSeqs and maxNumBatchedTokens. 0: it runs without, or its host time was
	 * fitted on runs with graphs and so holds what they cost.
	 */
	cudaGraphs: z.strictObject({ limitSequences: z.int().min(0), ...sourced }),
	memory: z.strictObject({
		gpuMemoryShare: z.number().gt(0).max(1),
		reserveBytesPerGpu: nonNegative,
		...sourced,
	}),
	load: z.strictObject({ fixedSeconds: nonNegative, bytesPerSecond: positive, ...sourced }),
	/** Level 1: weights to host memory and back, by each GPU its own part. */
	sleep: sleepTimes,
	/** Level 2: weights dropped, and read from storage again. */
	deepSleep: sleepTimes,
	/** What a sleeping process keeps on each of its GPUs, at either level. */
	asleep: z.strictObject({ gpuBytes: nonNegative, ...sourced }),
	stop: z.strictObject({ seconds: nonNegative, ...sourced }),
});

const probability = z.number().min(0).max(1);
const correlation = z.strictObject({ value: probability, ...sourced });

export const taskFileSchema = z.strictObject({
	task: z.string(),
	/** Question and instruction, without the chat wrapper, by tokenizer. */
	prompts: z.record(
		z.string(),
		z.strictObject({
			count: z.int().positive(),
			meanTokens: positive,
			sdTokens: nonNegative,
			knots,
			maxTokens: positive,
			...sourced,
		}),
	),
	lengths: z.record(z.string(), lengthDistributionSchema.extend(sourced)),
	/** Tokens after the reasoning part, for reasoning models. */
	answerParts: z.record(z.string(), z.strictObject({ meanTokens: positive, knots, ...sourced })),
	/** Correlation of the lengths (as normal scores) of two calls of one query. */
	lengthCorrelation: correlation,
	/** Correlation of a query's difficulty with its shared length part. */
	easeLengthCorrelation: correlation,
	answers: z.strictObject({
		options: z.int().min(2),
		mu: z.number(),
		s: nonNegative,
		lam: probability,
		...sourced,
	}),
	aggregator: z.strictObject({
		/** Share of unanimous votes that are right under the answer model. */
		unanimousVoteAccuracy: probability,
		/** Share right with the aggregator less share right with the vote, on unanimous queries. */
		unanimousNetGain: z.number().min(-1).max(1),
		/** More than half agree, not all. */
		rightIfPluralityRight: probability,
		rightIfMinorityRight: probability,
		rightIfNoneRightInSplit: probability,
		/** No answer has more than half. */
		rightIfAnyRight: probability,
		rightIfNoneRightInScattered: probability,
		...sourced,
	}),
});

export type ModelRecord = z.infer<typeof modelsFileSchema>['models'][string];
export type GpuFile = z.infer<typeof gpuFileSchema>;
export type EngineFile = z.infer<typeof engineFileSchema>;
export type TaskFile = z.infer<typeof taskFileSchema>;
export type PromptsFile = z.infer<typeof promptsFileSchema>;
