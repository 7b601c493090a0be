import { describe, expect, it } from 'vitest';
import { type LengthDistribution, quantileTokens } from '../../sim/domain/distribution.ts';
import { fitLengths } from '../../sim/study/fit-lengths.ts';

const TRUE: LengthDistribution = {
	body: { family: 'lognormal', mu: 5.5, sigma: 0.6 },
	shiftTokens: 0,
	capTokens: 4000,
	runawayShare: 0.05,
	scale: 1,
};

const samplesOf = (distribution: LengthDistribution, count: number) =>
	Array.from({ length: count }, (_, index) => {
		const outputTokens = quantileTokens(distribution, (index + 0.5) / count);
		return { outputTokens, wasCut: outputTokens === distribution.capTokens };
	});

describe('lengths from outputs', () => {
	it('are those that the outputs were drawn from', () => {
		const { distribution, samples, ksDistance } = fitLengths(samplesOf(TRUE, 1000), 4000);
		expect(samples).toBe(1000);
		expect(distribution).toMatchObject({ shiftTokens: 0, capTokens: 4000, scale: 1 });
		expect(distribution.runawayShare).toBeCloseTo(0.05, 6);
		expect(distribution.body).toMatchObject({ family: 'lognormal' });
		if (distribution.body.family !== 'lognormal') return;
		expect(distribution.body.mu).toBeCloseTo(5.5, 2);
		expect(distribution.body.sigma).toBeCloseTo(0.6, 2);
		expect(ksDistance).toBeLessThan(0.01);
	});

	it('say how far two kinds of outputs are from one lognormal', () => {
		const two = [30, 1200].flatMap((outputTokens) => Array(50).fill({ outputTokens, wasCut: false }));
		expect(fitLengths(two, 4000).ksDistance).toBeGreaterThan(0.3);
	});

	it('of a model that never ends are the cap', () => {
		const { distribution } = fitLengths(Array(20).fill({ outputTokens: 500, wasCut: true }), 500);
		expect(distribution.runawayShare).toBe(1);
		expect(quantileTokens(distribution, 0.3)).toBe(500);
	});

	it('of a single output are that one', () => {
		const { distribution, ksDistance } = fitLengths([{ outputTokens: 77, wasCut: false }], 500);
		expect(quantileTokens(distribution, 0.5)).toBe(77);
		expect(ksDistance).toBeLessThanOrEqual(1);
	});
});
