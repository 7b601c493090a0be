import { describe, expect, it } from 'vitest';
import { checkOrder, errorPercent, noiseShare, type Outcome } from './order.ts';

const outcome = (scheduler: string, predictedSeconds: number, ...measuredSeconds: number[]): Outcome => ({
	scheduler,
	predictedSeconds,
	measuredSeconds,
});

describe('schedulers in two worlds', () => {
	it('takes the noise from equal runs', () => {
		expect(noiseShare([outcome('a', 1, 100, 104), outcome('b', 1, 90)])).toBeCloseTo(4 / 102, 6);
		expect(noiseShare([outcome('a', 1, 100)])).toBeNull();
	});

	it('says what a prediction is off by', () => {
		expect(errorPercent(outcome('a', 105, 99, 101))).toBeCloseTo(5, 6);
	});

	it('finds an order that is another, and leaves out gaps within the noise', () => {
		const found = [outcome('a', 120, 118), outcome('b', 100, 103), outcome('c', 101, 103.5)];
		expect(checkOrder(found, 0.02).map(({ pair, agrees }) => [pair, agrees])).toEqual([
			['a and b', true],
			['a and c', true],
			['b and c', null],
		]);
		const [turned] = checkOrder([outcome('a', 120, 100), outcome('b', 100, 118)], 0.02);
		expect(turned).toMatchObject({ agrees: false, predictedGapSeconds: -20, measuredGapSeconds: 18 });
	});

	it('lets a gap be noise when it is in either world', () => {
		expect(checkOrder([outcome('a', 120, 100), outcome('b', 100, 101)], 0.02)[0]?.agrees).toBeNull();
		const turned = [outcome('a', 120, 100), outcome('b', 100, 118)];
		expect(checkOrder(turned, 0.02, 19)[0]?.agrees).toBe(false);
		expect(checkOrder(turned, 0.02, 21)[0]?.agrees).toBeNull();
	});
});
