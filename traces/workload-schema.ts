/** The questions of an experiment and who answers them. */
import { z } from 'zod';
import { lengthDistributionSchema } from './length-schema.ts';

const name = z.string().min(1);
const count = z.int().min(0);
const positiveInt = z.int().min(1);

const perSecond = z.number().gt(0).max(1_000_000);

const arrivalsSchema = z
	.union([
		z.literal('batch'),
		z.discriminatedUnion('process', [
			z
				.strictObject({
					process: z.literal('poisson'),
					perSecond: perSecond.describe('Mean arrivals per second.'),
				})
				.describe('One by one, independent of each other.'),
			z
				.strictObject({
					process: z.literal('gamma'),
					perSecond: perSecond.describe('Mean arrivals per second.'),
					burstiness: z
						.number()
						.min(0.01)
						.max(20)
						.describe(
							'Standard deviation of a gap divided by its mean: 1 is poisson, more comes in bursts, less is more even.',
						),
				})
				.describe('Gaps from a gamma distribution, as production traces show (ServeGen).'),
			z
				.strictObject({
					process: z.literal('trace'),
					file: name.describe('CSV with a header row, relative to this file; not fewer rows than questions.'),
					column: name
						.default('arrival_s')
						.describe(
							'Column of the times: seconds or date and time, counted from the first (default `arrival_s`).',
						),
					speed: z.number().gt(0).max(1_000_000).default(1).describe('Times are divided by it (default 1).'),
					expectedPerSecond: perSecond
						.optional()
						.describe('Arrivals per second that planning counts on; absent: those seen so far.'),
				})
				.describe('As recorded.'),
		]),
	])
	.default('batch')
	.describe('When questions come. batch: all at time 0.');

export const workloadSchema = z
	.strictObject({
		task: name.describe('Bundled task: prompt lengths, output lengths, answers.'),
		queries: positiveInt
			.max(1_000_000)
			.optional()
			.describe('Questions in the batch, drawn from the task. Either this or questions.'),
		questions: name
			.optional()
			.describe('Question file (JSON Lines), relative to this file: the batch is what stands in it.'),
		slotsPerQuery: positiveInt.max(64).default(3).describe('Expert calls per question (k).'),
		slots: z
			.record(z.string(), count)
			.describe(
				'Expert calls by model; they add up to questions x slotsPerQuery. Shuffled and dealt to the questions.',
			),
		keepQueries: positiveInt
			.optional()
			.describe('Run only the first so many questions of the batch. Absent: all.'),
		arrivals: arrivalsSchema,
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

export const aggregatorSchema = z
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
