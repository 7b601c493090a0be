import { describe, expect, it } from 'vitest';
import { estimate, studentT975 } from '../../sim/report/student-t.ts';

/** Probability that |T| <= t for Student's t, by Simpson's rule on its density. */
function twoSidedProbability(t: number, n: number): number {
	// The density is (1 + x^2/n)^(-(n+1)/2); with x = sqrt(n) tan(a) the range is finite and the integrand cos(a)^(n-1).
	const integral = (from: number, to: number): number => {
		const steps = 20_000;
		const width = (to - from) / steps;
		let sum = 0;
		for (let i = 0; i <= steps; i++) {
			const a = from + i * width;
			const weight = i === 0 || i === steps ? 1 : i % 2 === 0 ? 2 : 4;
			sum += weight * Math.cos(a) ** (n - 1);
		}
		return (sum * width) / 3;
	};
	const half = Math.PI / 2;
	return integral(0, Math.atan(t / Math.sqrt(n))) / integral(0, half);
}

describe('studentT975', () => {
	it('leaves 5 % outside for every number of degrees of freedom', () => {
		for (const n of [...Array.from({ length: 45 }, (_, index) => index + 1), 60, 100, 500, 10_000]) {
			// The table has three decimals; at 1 degree of freedom half a unit of the last changes the probability by 2e-6.
			expect(twoSidedProbability(studentT975(n), n)).toBeCloseTo(0.95, 4);
		}
	});

	it('falls with the degrees of freedom, also where table and expansion meet', () => {
		for (let n = 1; n < 60; n++) expect(studentT975(n)).toBeGreaterThan(studentT975(n + 1));
	});
});

describe('estimate', () => {
	it('gives the textbook interval', () => {
		// Mean 3, standard deviation sqrt(2.5), 4 degrees of freedom: 3 -+ 2.776 * sqrt(2.5 / 5).
		const { mean, low, high } = estimate([1, 2, 3, 4, 5]);
		expect(mean).toBe(3);
		expect(high - 3).toBeCloseTo(2.776 * Math.sqrt(0.5), 12);
		expect(3 - low).toBeCloseTo(high - 3, 12);
	});

	it('has no width for one value', () => {
		expect(estimate([7])).toEqual({ mean: 7, low: 7, high: 7 });
	});
});
