import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalQuantile } from '../../sim/domain/distribution.ts';
import { meanFromKnots, quantileFromKnots } from '../../traces/knots.ts';
import { taskNames, taskProfile } from '../../traces/read-profile.ts';
import { questionKnots } from '../../traces/resolve/lengths.ts';

const probability = fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true });
const lognormal = (p: number): number => Math.exp(5 + 0.8 * normalQuantile(p));

describe('quantiles from a few knots', () => {
	it('gives back the knots', () => {
		const knots = [
			[0.1, 120],
			[0.5, 200],
			[0.9, 403],
		] as const;
		for (const [p, tokens] of knots) expect(quantileFromKnots(knots, 9999, p)).toBe(tokens);
	});

	it('is exact for a lognormal, between and beyond the knots', () => {
		const knots = [0.1, 0.5, 0.9].map((p) => [p, lognormal(p)] as const);
		for (const p of [0.001, 0.05, 0.3, 0.77, 0.99, 0.9999]) {
			expect(Math.abs(quantileFromKnots(knots, 1e9, p) - lognormal(p))).toBeLessThanOrEqual(0.51);
		}
	});

	it('never decreases, and stays between 1 and the largest', () => {
		const knots = [
			[0.1, 3],
			[0.5, 8],
			[0.99, 90],
		] as const;
		fc.assert(
			fc.property(probability, probability, (a, b) => {
				const low = quantileFromKnots(knots, 100, Math.min(a, b));
				const high = quantileFromKnots(knots, 100, Math.max(a, b));
				expect(low).toBeGreaterThanOrEqual(1);
				expect(high).toBeGreaterThanOrEqual(low);
				expect(high).toBeLessThanOrEqual(100);
			}),
			{ seed: 1 },
		);
	});

	it('keeps the published means of prompts and answer parts within 2 %', () => {
		for (const name of taskNames()) {
			const task = taskProfile(name);
			for (const [tokenizer, prompt] of Object.entries(task?.prompts ?? {})) {
				const { knots, largest } = questionKnots(task as NonNullable<typeof task>, tokenizer);
				const error = meanFromKnots(knots, largest) / prompt.meanTokens - 1;
				expect(Math.abs(error), `${name} ${tokenizer}`).toBeLessThan(0.02);
			}
			for (const [model, part] of Object.entries(task?.answerParts ?? {})) {
				const error = meanFromKnots(part.knots, 1e6) / part.meanTokens - 1;
				expect(Math.abs(error), `${name} ${model}`).toBeLessThan(0.02);
			}
		}
	});
});
