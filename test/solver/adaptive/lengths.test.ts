import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { quantileTokens } from '../../../sim/domain/distribution.ts';
import { lengthTable, quantile, residual, survival } from '../../../solver/adaptive/lengths.ts';
import { type Judged, stretched, stretchOf } from '../../../solver/adaptive/observed.ts';

const distribution = {
	body: { family: 'lognormal' as const, mu: 7, sigma: 1 },
	shiftTokens: 0,
	capTokens: 32_768,
	runawayShare: 0.01,
	scale: 1,
};
const table = lengthTable([distribution], Number.POSITIVE_INFINITY);

describe('expected lengths', () => {
	it('say of a running call what a count over the table says', () => {
		const from = fc.integer({ min: 0, max: 40_000 });
		fc.assert(
			fc.property(from, fc.integer({ min: 0, max: 40_000 }), (tokens, more) => {
				const left = table.filter((length) => length > tokens).map((length) => length - tokens);
				if (left.length === 0) return;
				const mean = left.reduce((sum, length) => sum + length, 0) / left.length;
				const squared = left.reduce((sum, length) => sum + length * length, 0) / left.length;
				expect(survival(table, tokens, more)).toBeCloseTo(
					left.filter((length) => length > more).length / left.length,
					12,
				);
				// Between two entries the residual is that of the entry below: at most the step to the next one off.
				const at = table.findLast((length) => length <= tokens) ?? tokens;
				expect(residual(table, tokens).tokens).toBeCloseTo(mean + tokens - at, 6);
				if (at === tokens) expect(residual(table, tokens).squared).toBeCloseTo(squared, 3);
			}),
			{ seed: 61, numRuns: 300 },
		);
	});

	it('end at a cut', () => {
		const cut = lengthTable([distribution], 2000);
		expect(Math.max(...cut)).toBe(2000);
		expect(survival(cut, 0, 2000)).toBe(0);
		expect(quantile(cut, 0.99)).toBe(2000);
	});
});

describe('lengths that are not as profiled', () => {
	/** Calls that began evenly over the time in which one generates `horizon` tokens: half of them are still running or have just begun. */
	const seen = (factor: number, count: number, horizon: number, limitTokens: number): readonly Judged[] => {
		const random = randomStream(5, `stretch/${factor}`);
		return Array.from({ length: count }, () => {
			const length = Math.min(limitTokens, factor * quantileTokens(distribution, random()));
			const elapsed = random() * horizon;
			return { hasFinished: length <= elapsed, tokens: Math.min(length, elapsed), expected: table };
		});
	};

	it.each([0.5, 1, 2, 3])('are found out although long calls still run: %f times', (factor) => {
		const found = stretchOf(seen(factor, 3000, 4000, 32_768), 32_768);
		expect(found / factor).toBeGreaterThan(0.85);
		expect(found / factor).toBeLessThan(1.15);
	});

	it.each([0.5, 1, 2])('are found out although many end at a limit: %f times', (factor) => {
		const found = stretchOf(seen(factor, 3000, 8000, 2000), 2000);
		expect(found / factor).toBeGreaterThan(0.93);
		expect(found / factor).toBeLessThan(1.07);
	});

	it('are not judged by a handful of ends', () => {
		expect(stretchOf(seen(3, 40, 1000, 32_768), 32_768)).toBe(1);
		expect(stretchOf([], 32_768)).toBe(1);
	});

	it('stretch the table up to the limit', () => {
		expect(stretched([10, 100, 1000], 2, 1500)).toEqual([20, 200, 1500]);
		expect(stretched(table, 1, 100_000)).toEqual(table);
	});
});
