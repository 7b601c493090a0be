import { z } from 'zod';

/** Schema of sim/domain/distribution.ts: how long outputs are, before the experiment's own scale. */
const lengthBodySchema = z
	.discriminatedUnion('family', [
		z
			.strictObject({
				family: z.literal('lognormal'),
				mu: z.number().describe('Mean of ln(tokens).'),
				sigma: z.number().min(0).describe('Standard deviation of ln(tokens).'),
			})
			.describe('Lognormal.'),
		z
			.strictObject({
				family: z.literal('lognormal2'),
				w1: z.number().min(0).max(1).describe('Share of the first component.'),
				mu1: z.number().describe('Mean of ln(tokens), first component.'),
				sigma1: z.number().min(0).describe('Standard deviation of ln(tokens), first component.'),
				mu2: z.number().describe('Mean of ln(tokens), second component.'),
				sigma2: z.number().min(0).describe('Standard deviation of ln(tokens), second component.'),
			})
			.describe('Mixture of two lognormals.'),
		z
			.strictObject({
				family: z.literal('empirical'),
				quantilesTokens: z
					.array(z.number().min(0))
					.min(2)
					.refine(
						(quantiles) => quantiles.every((value, i) => i === 0 || value >= (quantiles[i - 1] as number)),
						'numbers that do not decrease',
					)
					.describe('Tokens at evenly spaced probabilities 0, 1/(n-1), ..., 1.'),
			})
			.describe('Recorded quantiles, straight lines between them.'),
		z
			.strictObject({
				family: z.literal('constant'),
				tokens: z.number().min(1).describe('Tokens of every output.'),
			})
			.describe('Always the same.'),
	])
	.describe('Family and parameters of the draw.');

export const lengthDistributionSchema = z
	.strictObject({
		body: lengthBodySchema,
		shiftTokens: z
			.number()
			.min(0)
			.default(0)
			.describe('Tokens added to every draw, such as the final answer.'),
		capTokens: z.int().min(1).describe('No output is longer.'),
		runawayShare: z.number().min(0).max(1).default(0).describe('Share of outputs that run to the cap.'),
	})
	.describe('Output tokens of one model: min(cap, shift + draw), or the cap for the runaway share.');
