/** Measured profiles: what `mosaic profile` writes about one model on one kind of GPU under one engine, and experiments take under `profiles`. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { assert, UsageError } from '../sim/domain/errors.ts';
import { schemaProblem } from './experiment-problem.ts';
import { parseExperimentText } from './experiment-text.ts';
import { fileTrouble } from './file-trouble.ts';
import { lengthDistributionSchema } from './length-schema.ts';
import { sharedSpeedsSchema } from './shared-speeds-schema.ts';

const name = z.string().min(1);
const count = z.int().min(0);
const positiveInt = z.int().min(1);
const nonNegative = z.number().min(0);
const positive = z.number().positive();

const timingSchema = z
	.strictObject({
		seconds: nonNegative.describe('Median, seconds.'),
		lowSeconds: nonNegative.describe('Smallest that was measured, seconds.'),
		highSeconds: nonNegative.describe('Largest that was measured, seconds.'),
		samples: positiveInt.describe('How many were measured.'),
	})
	.describe('A time that was measured.');

const sleepLevelSchema = z
	.strictObject({
		sleep: timingSchema.describe('From the order to asleep.'),
		wake: timingSchema.describe('From the order to the next answer.'),
	})
	.nullable();

const lengthsSchema = lengthDistributionSchema
	.extend({
		samples: positiveInt.optional().describe('Outputs it was fitted on.'),
		ksDistance: nonNegative
			.optional()
			.describe('Largest distance between its distribution function and theirs.'),
	})
	.describe('Output tokens: min(cap, shift + draw), or the cap for the runaway share.');

export const measuredProfileSchema = z
	.strictObject({
		format: z.literal(1).describe('Version of this format.'),
		about: z.string().default('').describe('One line for people.'),
		model: z
			.strictObject({
				id: name.describe('Model id that experiments use.'),
				checkpoint: name.describe('Public checkpoint name or folder, for people and for starting servers.'),
				modelClass: z.enum(['instruct', 'reasoning']).describe('Reasoning models think before they answer.'),
				weightBytes: positiveInt.describe('Bytes of the weights.'),
				kvBytesPerToken: positiveInt.describe('KV cache of one token over all layers, bytes.'),
				contextLimitTokens: positiveInt.describe('Prompt and output together, tokens.'),
				outputLimitTokens: positiveInt.describe('max_tokens of its calls.'),
				attentionHeads: positiveInt.describe('Tensor parallelism must divide it.'),
				tokenizer: name.describe('Whose prompt lengths it uses: qwen2_5, llama3, gemma2 or bytes.'),
				tokensPerByte: positive
					.optional()
					.describe("Tokens a byte of question text as counted by the server; absent: its tokenizer's."),
				chatWrapperTokens: count.describe('Tokens of the chat template around a prompt.'),
				answerPartTokens: positiveInt
					.optional()
					.describe('Tokens after the reasoning part, reasoning models only.'),
			})
			.describe('The model.'),
		gpu: z
			.strictObject({
				type: name.describe('GPU type that experiments use.'),
				memoryBytes: positiveInt.describe('Memory of one GPU, bytes.'),
				sharedSpeeds: sharedSpeedsSchema.optional(),
			})
			.describe('What it was measured on.'),
		tensorParallel: positiveInt.describe('GPUs of one replica.'),
		engine: z
			.strictObject({
				name: name.describe('Which engine, such as vllm.'),
				version: name.describe('What its /version says.'),
				config: z
					.strictObject({
						blockSize: positiveInt.describe('Tokens per KV block.'),
						numGpuBlocks: z.int().min(2).describe('KV blocks, null block included.'),
						maxNumSeqs: positiveInt.describe('Sequences running at once.'),
						maxNumBatchedTokens: positiveInt.describe('Token budget of a step.'),
						maxModelLen: z.int().min(2).describe('Prompt and output together, tokens.'),
						longPrefillTokenThreshold: count.describe('Longest prefill chunk, tokens; 0 = off.'),
						policy: z.enum(['fcfs', 'priority']).describe('Order of waiting requests.'),
						asyncScheduling: z.boolean().describe('Schedules the next batch while one runs.'),
						watermark: z.number().min(0).max(1).describe('Share of KV blocks kept free at admission.'),
						reserveFullIsl: z.boolean().describe('Admits only when the whole prompt has room.'),
						prefixCaching: z.boolean().describe('Reuses KV blocks of equal prompt beginnings.'),
					})
					.describe("Settings it ran with, under vLLM's names."),
			})
			.describe('The engine.'),
		step: z
			.strictObject({
				hostUs: nonNegative.describe('Host time of a step, microseconds.'),
				hostPerSequenceUs: nonNegative.describe('Host time for each sequence in a step, microseconds.'),
				baseUs: nonNegative.describe('Microseconds of every step.'),
				perTokenOverKneeUs: nonNegative.describe('Microseconds a token beyond the knee.'),
				kneeTokens: nonNegative.describe('Tokens in a step that cost nothing extra.'),
				perDecodeSequenceUs: nonNegative.describe('Microseconds a decoding sequence.'),
				perContextTokenUs: nonNegative.describe('Microseconds a context token of decoding sequences.'),
				perPrefillTokenSquaredUs: nonNegative.describe('Microseconds a squared prefill token.'),
				allReduceUs: nonNegative.describe('Communication of tensor parallelism, microseconds; 0 on one GPU.'),
				graphLimitSequences: count
					.optional()
					.describe('Largest captured CUDA graph. Absent or 0: the coefficients hold the padding.'),
			})
			.describe('Time of one engine step.'),
		stepFit: z
			.strictObject({
				steps: positiveInt.describe('Steps it was fitted on.'),
				meanErrorPercent: nonNegative.describe('Mean absolute error of a step.'),
				p95ErrorPercent: nonNegative.describe('95 % of the steps are within it.'),
				maxErrorPercent: nonNegative.describe('Largest error of a step.'),
			})
			.describe('How well the step time fits what was measured.'),
		times: z
			.strictObject({
				load: timingSchema.describe('From the start of the process to its first healthy answer.'),
				stop: timingSchema.describe('From the polite order to stop to the end of the process.'),
				sleep1: sleepLevelSchema.describe('Level 1, weights to host memory; null where it cannot sleep.'),
				sleep2: sleepLevelSchema.describe('Level 2, weights dropped; null where it cannot sleep.'),
			})
			.describe('Changes of state.'),
		memory: z
			.strictObject({
				gpuBytesPerGpu: positiveInt.describe('What the engine takes on each GPU while awake.'),
				sleepingGpuBytesPerGpu: count.describe('What its process keeps on each GPU while asleep.'),
				sleepingHostBytes: count.describe('Host memory that its weights take while asleep at level 1.'),
			})
			.describe('Memory, bytes.'),
		lengths: z
			.record(
				z.string(),
				z
					.strictObject({
						expert: lengthsSchema.optional().describe('As an expert.'),
						aggregator: lengthsSchema.optional().describe('As the aggregator.'),
					})
					.describe('Output lengths on one task.'),
			)
			.default({})
			.describe('Output lengths by task.'),
		source: z
			.strictObject({
				date: z.iso.date().describe('Day of the measurement, YYYY-MM-DD.'),
				command: name.describe('What was typed.'),
				machine: name.describe('Processor, GPUs, memory, system.'),
				version: name.describe('Version of the program that measured.'),
				note: z.string().optional().describe('What else a reader should know.'),
			})
			.describe('Where the numbers come from.'),
	})
	.describe('A measured profile.');

export type MeasuredProfile = z.infer<typeof measuredProfileSchema>;

/**
 * @param file path; stands in messages as it is
 * @throws UsageError E_PROFILE_FILE, E_PROFILE_SYNTAX, E_PROFILE_KEY, E_PROFILE_VALUE `file:line:column field: expected X, got Y`
 */
export function readMeasuredProfile(file: string): MeasuredProfile {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		throw new UsageError('E_PROFILE_FILE', `${file}: expected a measured profile, got ${fileTrouble(error)}`);
	}
	return parseMeasuredProfile(text, file);
}

/** @param file name of the text in messages */
export function parseMeasuredProfile(text: string, file: string): MeasuredProfile {
	const parsed = parseExperimentText(text, file, [], { code: 'E_PROFILE_SYNTAX', wanted: 'JSON' });
	const checked = measuredProfileSchema.safeParse(parsed.raw);
	if (checked.success) return checked.data;
	throw schemaProblem(parsed, checked.error, {
		name: 'profile',
		code: 'E_PROFILE',
		jsonSchema: measuredProfileJsonSchema,
	});
}

/** The text of a profile file. What is not a profile is a bug of whoever measured it. */
export function measuredProfileText(profile: z.input<typeof measuredProfileSchema>): string {
	const checked = measuredProfileSchema.safeParse(profile);
	const issue = checked.error?.issues[0];
	assert(checked.success, `measured profile: ${issue?.path.join('.')} ${issue?.message}`);
	return `${JSON.stringify(checked.data, null, '\t')}\n`;
}

/** JSON Schema (draft 2020-12) of a profile file. */
export function measuredProfileJsonSchema(): Record<string, unknown> {
	return { title: 'MOSAIC measured profile', ...z.toJSONSchema(measuredProfileSchema, { io: 'input' }) };
}
