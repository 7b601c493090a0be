import { describe, expect, it } from 'vitest';
import { fitIncreasing, fitMinimum } from '../../sim/study/fit.ts';

describe('fitIncreasing', () => {
	it('meets a power law in three evaluations', async () => {
		const fit = await fitIncreasing(async (x) => 40 * x ** 0.7, 100);
		expect(fit.value).toBeCloseTo(100, 3);
		expect(fit.parameter).toBeCloseTo((100 / 40) ** (1 / 0.7), 3);
		expect(fit.steps.length).toBeLessThanOrEqual(3);
	});

	it('meets a target above a fixed part', async () => {
		const fit = await fitIncreasing(async (x) => 80 + 300 * x, 1000);
		expect(Math.abs(fit.value - 1000)).toBeLessThan(2);
		expect(fit.parameter).toBeCloseTo(920 / 300, 1);
	});

	it('gives the closest it saw when the target cannot be met', async () => {
		const fit = await fitIncreasing(async (x) => Math.min(50, 10 * x), 100, 1, 0.002, 6);
		expect(fit.value).toBe(50);
	});
});

it('does not evaluate a parameter again that stays where it is', async () => {
	const fit = await fitIncreasing(async (x) => 150 + x, 100, 0);
	expect(fit).toMatchObject({ parameter: 0, value: 150 });
	expect(fit.steps).toHaveLength(1);
});

describe('fitMinimum', () => {
	it('finds the bottom of a parabola', async () => {
		const fit = await fitMinimum(async (x) => (x - 3.2) ** 2 + 1, 0, 10, 0.01);
		expect(fit.parameter).toBeCloseTo(3.2, 1);
	});
});
