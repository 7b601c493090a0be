import { describe, expect, it } from 'vitest';
import { type RandomStream, randomStream } from '../../../sim/core/random.ts';
import { nonNegativeLeastSquares } from '../../../solver/ilp/least-squares.ts';

describe('least squares without negative coefficients', () => {
	it('finds coefficients that explain the data, whatever their size', () => {
		const rows = [
			[1e6, 4000, 1],
			[2e6, 9000, 1],
			[3e6, 9500, 1],
			[4e6, 9900, 1],
		];
		const targets = rows.map(([tokens = 0, longest = 0]) => 4e-4 * tokens + 0.02 * longest + 7);
		const [beta, gamma, alpha] = nonNegativeLeastSquares(rows, targets);
		expect(beta).toBeCloseTo(4e-4, 9);
		expect(gamma).toBeCloseTo(0.02, 6);
		expect(alpha).toBeCloseTo(7, 3);
	});

	it('keeps a coefficient at 0 that would go below', () => {
		// Best line is 2x - 1; without an intercept it is sum(xy) / sum(xx) = 22 / 14... of (1, 1), (2, 3), (3, 5).
		const rows = [
			[1, 1],
			[2, 1],
			[3, 1],
		];
		const solution = nonNegativeLeastSquares(rows, [1, 3, 5]);
		expect(solution[0]).toBeCloseTo(22 / 14, 12);
		expect(solution[1]).toBe(0);
	});

	it('takes the first column when one row cannot tell columns apart', () => {
		expect(nonNegativeLeastSquares([[10, 5, 1]], [20])).toEqual([2, 0, 0]);
	});

	it('meets the conditions of optimality on random data', () => {
		for (let seed = 0; seed < 200; seed++) {
			const random = randomStream(seed, 'rows');
			const rows = Array.from({ length: 3 + Math.floor(random() * 5) }, () => [
				random() * 1e4,
				random() * 10,
				1,
			]);
			const targets = rows.map(
				([a = 0, b = 0]) => (random() - 0.2) * a + (random() - 0.5) * 1e3 * b + noise(random),
			);
			const x = nonNegativeLeastSquares(rows, targets);
			expect(Math.min(...x)).toBeGreaterThanOrEqual(0);
			// Karush-Kuhn-Tucker: the gradient is 0 where x > 0 and not negative where x = 0.
			const residuals = rows.map(
				(row, i) => row.reduce((sum, value, j) => sum + value * (x[j] ?? 0), 0) - (targets[i] ?? 0),
			);
			const scale = Math.hypot(...targets) + 1;
			for (let j = 0; j < 3; j++) {
				const column = rows.map((row) => row[j] ?? 0);
				const gradient =
					column.reduce((sum, value, i) => sum + value * (residuals[i] ?? 0), 0) /
					Math.hypot(...column) /
					scale;
				if ((x[j] ?? 0) > 0)
					expect({ seed, j, zero: Math.abs(gradient) < 1e-6 }).toEqual({ seed, j, zero: true });
				else expect({ seed, j, up: gradient > -1e-6 }).toEqual({ seed, j, up: true });
			}
		}
	});
});

const noise = (random: RandomStream): number => 500 * (random() - 0.5);
