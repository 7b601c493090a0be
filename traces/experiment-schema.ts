/** The experiment file: one YAML document that describes a run. Units are in the names. */
import { z } from 'zod';
import { gateSchema } from './gate-schema.ts';
import { liveSchema } from './live-schema.ts';
import { sharedSpeedsSchema } from './shared-speeds-schema.ts';
import { aggregatorSchema, workloadSchema } from './workload-schema.ts';

const name = z.string().min(1);
/** Names folders too, so nothing in it may lead elsewhere. */
const experimentName = name
	.max(100)
	.regex(/^[A-Za-z0-9][\w.-]*$/, 'letters, digits, dots, dashes and underscores, a letter or digit first');
const count = z.int().min(0);
const positiveInt = z.int().min(1);
const seconds = z.number().min(0);

const gpuTypeSchema = z
	.strictObject({
		memoryBytes: positiveInt.describe('Memory of one GPU, bytes.'),
		sharedSpeeds: sharedSpeedsSchema.optional(),
	})
	.describe('A GPU type that is not bundled. Only models defined in this file have step times on it.');

const stepCostSchema = z
	.strictObject({
		baseUs: z.number().min(0).describe('Microseconds of every step.'),
		perTokenOverKneeUs: z.number().min(0).default(0).describe('Microseconds a token beyond the knee.'),
		kneeTokens: z.number().min(0).default(0).describe('Tokens in a step that cost nothing extra.'),
		perDecodeSequenceUs: z.number().min(0).default(0).describe('Microseconds a decoding sequence.'),
		perContextTokenUs: z
			.number()
			.min(0)
			.default(0)
			.describe('Microseconds a context token of decoding sequences.'),
		perPrefillTokenSquaredUs: z.number().min(0).default(0).describe('Microseconds a squared prefill token.'),
	})
	.describe('Time of one engine step on one GPU without host time, on every GPU type.');

const modelSchema = z
	.strictObject({
		checkpoint: z.string().default('').describe('Public checkpoint name, for people.'),
		modelClass: z.enum(['instruct', 'reasoning']).describe('Reasoning models think before they answer.'),
		weightBytes: positiveInt.describe('Bytes of the weights.'),
		kvBytesPerToken: positiveInt.describe('KV cache of one token over all layers, bytes.'),
		contextLimitTokens: positiveInt.describe('Prompt and output together, tokens.'),
		outputLimitTokens: positiveInt.describe('max_tokens of its calls.'),
		attentionHeads: positiveInt.describe('Tensor parallelism must divide it.'),
		tokenizer: name
			.default('qwen2_5')
			.describe('Whose prompt lengths it uses: qwen2_5, llama3, gemma2 or bytes.'),
		tokensPerByte: z
			.number()
			.positive()
			.optional()
			.describe("Tokens a byte of the text of a question file; absent: its tokenizer's."),
		chatWrapperTokens: count.default(10).describe('Tokens of the chat template around a prompt.'),
		answerPartTokens: positiveInt
			.optional()
			.describe('Tokens after the reasoning part, reasoning models only. Absent: drawn as for LlamaR1.'),
		stepCost: stepCostSchema,
	})
	.describe('A model that is not bundled, or one that replaces a bundled model of the same id.');

const clusterSchema = z
	.strictObject({
		gpuCount: positiveInt.max(1024).optional().describe('GPUs of gpuType on one host.'),
		gpuType: name.optional().describe('GPU type of all GPUs.'),
		gpus: z
			.array(
				z.strictObject({
					type: name.describe('GPU type.'),
					host: name.default('host0').describe('Host it sits in. Tensor parallelism stays within one.'),
				}),
			)
			.min(1)
			.max(1024)
			.optional()
			.describe('GPUs one by one, for mixed types or several hosts, in place of gpuCount and gpuType.'),
		hostRamBytes: z
			.number()
			.min(0)
			.default(1e12)
			.describe('RAM of each host for weights of sleeping replicas, bytes. The default is assumed.'),
		enginesPerGpu: positiveInt
			.max(16)
			.default(1)
			.describe(
				'Engines that may be on one GPU at a time, asleep ones not counted. 1 is the paper. More need a smaller engine.gpuMemoryShare; ' +
					'they slow each other down as sharedSpeeds of the GPU type says.',
			),
	})
	.describe('The machines.');

const engineSchema = z
	.strictObject({
		profile: name.default('vllm-0.7.1').describe('Bundled engine profile: settings, host time, load times.'),
		mode: z
			.enum(['stepwise', 'leaping'])
			.default('leaping')
			.describe('How the engine model is carried out. Both give the same run.'),
		config: z
			.strictObject({
				blockSize: positiveInt.optional().describe('Tokens per KV block.'),
				numGpuBlocks: z.int().min(2).optional().describe('KV blocks of every replica, null block included.'),
				maxNumSeqs: positiveInt.optional().describe('Sequences running at once.'),
				maxNumBatchedTokens: positiveInt.optional().describe('Token budget of a step.'),
				maxModelLen: z
					.int()
					.min(2)
					.optional()
					.describe('Prompt and output together; never above the model limit.'),
				longPrefillTokenThreshold: count.optional().describe('Longest prefill chunk, tokens; 0 = off.'),
				policy: z.enum(['fcfs', 'priority']).optional().describe('Order of waiting requests.'),
				asyncScheduling: z.boolean().optional().describe('Schedule the next batch while one runs.'),
				watermark: z.number().min(0).max(1).optional().describe('Share of KV blocks kept free at admission.'),
				reserveFullIsl: z.boolean().optional().describe('Admit only when the whole prompt has room.'),
				prefixCaching: z.boolean().optional().describe('Reuse KV blocks of equal prompt beginnings.'),
			})
			.prefault({})
			.describe("Settings that replace the profile's, under vLLM's names."),
		hostUs: z
			.number()
			.min(0)
			.optional()
			.describe("Host time of a step in place of the profile's, on any number of GPUs."),
		hostPerSequenceUs: z
			.number()
			.min(0)
			.optional()
			.describe("Host time for each sequence in a step in place of the profile's, on one GPU."),
		groupHostPerSequenceUs: z
			.number()
			.min(0)
			.optional()
			.describe('The same on more than one GPU (tensor parallelism).'),
		graphLimitSequences: z
			.int()
			.min(0)
			.optional()
			.describe(
				"Largest CUDA graph that decoding batches are padded to, in place of the profile's; 0 = none.",
			),
		loadFixedSeconds: seconds
			.optional()
			.describe("Part of a cold start that does not depend on the model, in place of the profile's."),
		loadBytesPerSecond: z
			.number()
			.positive()
			.optional()
			.describe("Speed of reading weights in place of the profile's."),
		gpuMemoryShare: z
			.number()
			.gt(0)
			.max(1)
			.optional()
			.describe("Share of a GPU that an engine takes, in place of the profile's."),
		gpuMemoryShareByModel: z
			.record(z.string(), z.number().gt(0).max(1))
			.default({})
			.describe('The same for single models, by id.'),
		reserveBytesPerGpu: z
			.number()
			.min(0)
			.optional()
			.describe("Activations and graphs, bytes a GPU, in place of the profile's."),
	})
	.describe('The inference engine.');

const planSchema = z
	.strictObject({
		maxModelsPerWorker: positiveInt
			.default(2)
			.describe(
				'K of equation 9: models a worker may load in one plan. Kept by greedy, ilp and ilp-curves; the other schedulers do not look at it.',
			),
		replicationCap: z
			.enum(['formula', 'paper-pin'])
			.default('paper-pin')
			.describe(
				'formula: equation 8 for all; paper-pin: one replica of instruct experts, equation 8 for reasoning ones.',
			),
		relativeGap: z
			.number()
			.min(0)
			.max(1)
			.default(0.001)
			.describe('Stop at this distance from the proven bound.'),
		maxNodes: positiveInt.default(20_000).describe('Stop after so many branch-and-bound nodes.'),
		timeLimitSeconds: z
			.number()
			.positive()
			.default(20)
			.describe(
				'Seconds that the solver of ilp and ilp-curves may take by the clock before it stops with what it has, so that it ends. The costs that are sampled beforehand and the greedy start do not count, and HiGHS may overrun: its thread is killed 10 s later. A run whose solver this stopped says that it is not reproducible.',
			),
		chargedSolveSeconds: seconds.default(0.05).describe('Simulated seconds charged for planning.'),
		chargedRehearsalSecondsPerQuery: seconds
			.default(0.002)
			.describe(
				'Simulated seconds charged for each query of a rehearsal (scheduler lookahead). Measured: 1.0 to 1.5 ms on one core of an AMD EPYC.',
			),
		sweepShares: z
			.array(z.number().gt(0).max(1))
			.min(1)
			.default([0.125, 0.25, 0.5, 0.75, 1])
			.describe("Session sizes at which T_m is sampled, as shares of the model's calls."),
	})
	.prefault({})
	.describe('Planning.');

export const experimentSchema = z
	.strictObject({
		format: z.literal(1).describe('Version of this format.'),
		name: experimentName.describe(
			'Short name, used in tables and folders: letters, digits, dots, dashes, underscores; at most 100.',
		),
		description: z.string().default('').describe('One line for people.'),
		seed: z.int().min(0).default(0).describe('Seed of everything drawn.'),
		scheduler: name.default('ilp').describe('Policy that plans and decides.'),
		gate: gateSchema,
		cluster: clusterSchema,
		gpuTypes: z.record(z.string(), gpuTypeSchema).default({}).describe('GPU types that are not bundled.'),
		engine: engineSchema.prefault({}),
		models: z.record(z.string(), modelSchema).default({}).describe('Models that are not bundled.'),
		profiles: z
			.array(name)
			.default([])
			.describe('Measured profiles (mosaic profile), relative to this file, in place of bundled ones.'),
		pool: z
			.array(name)
			.min(1)
			.describe('Experts by id, in the order in which round-robin deals them to workers.'),
		workload: workloadSchema,
		aggregator: aggregatorSchema,
		plan: planSchema,
		report: z
			.strictObject({
				sampleSeconds: z
					.number()
					.min(0.01)
					.default(10)
					.describe('Simulated seconds between batch samples. Each is a line of the run log.'),
			})
			.prefault({})
			.describe('What the run log keeps.'),
		live: liveSchema,
	})
	.describe('A MOSAIC experiment.');

export type Experiment = z.infer<typeof experimentSchema>;

/** JSON Schema (draft 2020-12) of an experiment file. */
export function experimentJsonSchema(): Record<string, unknown> {
	return { title: 'MOSAIC experiment', ...z.toJSONSchema(experimentSchema, { io: 'input' }) };
}
