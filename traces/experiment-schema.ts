/** The experiment file: one YAML document that describes a run. Units are in the names. */
import { z } from 'zod';
import { lengthDistributionSchema } from './length-schema.ts';

const name = z.string().min(1);
/** Names folders too, so nothing in it may lead elsewhere. */
const experimentName = name
	.max(100)
	.regex(/^[A-Za-z0-9][\w.-]*$/, 'letters, digits, dots, dashes and underscores, a letter or digit first');
const count = z.int().min(0);
const positiveInt = z.int().min(1);
const seconds = z.number().min(0);

const gpuTypeSchema = z
	.strictObject({ memoryBytes: positiveInt.describe('Memory of one GPU, bytes.') })
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
		tokenizer: name.default('qwen2_5').describe('Whose prompt lengths it uses: qwen2_5, llama3 or gemma2.'),
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
		reserveBytesPerGpu: z
			.number()
			.min(0)
			.optional()
			.describe("Activations and graphs, bytes a GPU, in place of the profile's."),
	})
	.describe('The inference engine.');

const workloadSchema = z
	.strictObject({
		task: name.describe('Bundled task: prompt lengths, output lengths, answers.'),
		queries: positiveInt.max(1_000_000).describe('Questions in the batch.'),
		slotsPerQuery: positiveInt.max(64).default(3).describe('Expert calls per question (k).'),
		slots: z
			.record(z.string(), count)
			.describe(
				'Expert calls by model; they add up to queries x slotsPerQuery. Shuffled and dealt to the questions.',
			),
		keepQueries: positiveInt
			.optional()
			.describe('Run only the first so many questions of the shuffled batch, at most queries. Absent: all.'),
		arrivals: z.enum(['batch']).default('batch').describe('batch: all questions are there at time 0.'),
		lengthScale: z
			.strictObject({
				factor: z.number().positive().default(1).describe('Multiplies expert output lengths, not their cap.'),
				appliesTo: z.enum(['all', 'reasoning', 'instruct']).default('all').describe('Whose lengths.'),
			})
			.prefault({})
			.describe('One scale on expert output lengths, for what the profiles leave open.'),
		lengths: z
			.record(z.string(), lengthDistributionSchema)
			.default({})
			.describe("Output lengths by model in place of the task's. Needed for models defined in this file."),
		lengthCorrelation: z
			.number()
			.min(0)
			.max(1)
			.optional()
			.describe(
				"Correlation of the lengths of two calls of one question (normal scores), in place of the task's.",
			),
		easeLengthCorrelation: z
			.number()
			.min(0)
			.max(1)
			.optional()
			.describe("How strongly hard questions are long, in place of the task's."),
		answers: z
			.strictObject({
				options: z.int().min(2).max(1_000_000).describe('Answers to choose from.'),
				mu: z.number().describe('Log odds of being right at ease 0.'),
				s: z.number().min(0).describe('How much ease matters.'),
				lam: z.number().min(0).max(1).describe('Share of wrong answers that are the favoured wrong one.'),
			})
			.optional()
			.describe("Answer model in place of the task's: right with probability 1/(1+exp(-(mu+s*ease)))."),
		calibrationQuestions: positiveInt
			.max(1_000_000)
			.default(350)
			.describe('Past questions from which planning may know lengths.'),
	})
	.describe('The questions and who answers them.');

const aggregatorSchema = z
	.strictObject({
		model: name.describe('Model that reads the answers and decides.'),
		tensorParallel: positiveInt.default(1).describe('GPUs of its replica, a power of two.'),
		lengthScale: z
			.number()
			.positive()
			.default(1)
			.describe("Multiplies the model's output lengths in this role, not their cap."),
		unanimousOverrideRate: z
			.number()
			.min(0)
			.max(1)
			.default(0.02)
			.describe(
				'Share of unanimous votes it overrides. Raised where the published accuracy change needs more.',
			),
	})
	.nullable()
	.default(null)
	.describe('The aggregator; null for none.');

const planSchema = z
	.strictObject({
		maxModelsPerWorker: positiveInt
			.default(2)
			.describe('K of equation 9: models a worker may load in one plan.'),
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
			.describe('Hard stop; the run then says it is not reproducible.'),
		chargedSolveSeconds: seconds.default(0.05).describe('Simulated seconds charged for planning.'),
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
		gate: name.default('never').describe('When answers agree enough: never, unanimous or majority.'),
		cluster: clusterSchema,
		gpuTypes: z.record(z.string(), gpuTypeSchema).default({}).describe('GPU types that are not bundled.'),
		engine: engineSchema.prefault({}),
		models: z.record(z.string(), modelSchema).default({}).describe('Models that are not bundled.'),
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
	})
	.describe('A MOSAIC experiment.');

export type Experiment = z.infer<typeof experimentSchema>;

/** JSON Schema (draft 2020-12) of an experiment file. */
export function experimentJsonSchema(): Record<string, unknown> {
	return { title: 'MOSAIC experiment', ...z.toJSONSchema(experimentSchema, { io: 'input' }) };
}
