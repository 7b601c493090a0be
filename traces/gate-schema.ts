/** `gate` of an experiment: a name, or a name with options. */
import { z } from 'zod';

const name = z.string().min(1);

const gateObjectSchema = z.strictObject({
	name: name
		.default('never')
		.describe('When answers agree enough: never, unanimous, majority, pair or calibrated.'),
	budgetPoints: z
		.number()
		.min(0)
		.max(50)
		.default(0.1)
		.describe(
			'Accuracy that calibrated skipping and cuts may cost together, percentage points against aggregating every question with nothing cut.',
		),
	confidence: z
		.number()
		.gt(0)
		.lt(1)
		.default(0.9)
		.describe('Chance, over calibration sets, that they cost no more.'),
	audit: z
		.number()
		.min(0)
		.max(1)
		.default(0)
		.describe('Share of skipped questions that go to the aggregator all the same, to watch for drift.'),
	cuts: z
		.boolean()
		.default(true)
		.describe('Whether the budget may be spent on cutting long outputs, under policies that take cuts.'),
	calibration: name
		.optional()
		.describe(
			'File of past questions (JSON Lines, mosaic schema --of calibration), relative to this file, one question a row; absent: they are simulated.',
		),
	calibrationQueries: z
		.int()
		.min(2)
		.max(1_000_000)
		.default(20_000)
		.describe('How many past questions are simulated; of no use beside a file.'),
});

export const gateSchema = z
	.union([name.describe('Its name alone.'), gateObjectSchema])
	.default('never')
	.describe('When answers agree enough: a name, or a mapping with a name and options.');

export type GateField = z.infer<typeof gateObjectSchema>;

/** The field with everything that it leaves out. */
export const wholeGate = (field: z.infer<typeof gateSchema>): GateField =>
	typeof field === 'string' ? gateObjectSchema.parse({ name: field }) : field;
