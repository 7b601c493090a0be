import { describe, expect, it } from 'vitest';
import { divideAlpha, type Sequence } from '../../sim/aggregate/divide-alpha.ts';
import { NO_CUTS } from '../../sim/aggregate/past-row.ts';

const BUDGET = { loss: 0.001, alpha: 0.1, cuts: false };
const LEARNED = 5000;
const TESTED = 15_000;

/** One configuration that saves a share of the work, of 1000 at first, and loses and gains so many of the learned queries. */
const single = (saved: number, lost: number, gained: number, isChosen = false): Sequence => ({
	hypotheses: [
		{
			step: {
				configuration: { cuts: NO_CUTS, threshold: 0 },
				outcome: {
					counts: { lost, even: LEARNED - lost - gained, gained },
					expectedLoss: (lost - gained) / LEARNED,
					gpuUs: 1000 * (1 - saved),
					skipped: 0,
					stood: 0,
					disagreed: 0,
				},
			},
			share: 1,
		},
	],
	isChosen,
});

const divide = (...sequences: readonly Sequence[]): readonly number[] =>
	divideAlpha(sequences, 1000, TESTED, BUDGET);

describe('alpha', () => {
	it('is not divided among one', () => {
		expect(divide(single(0.2, 900, 0))).toEqual([1]);
	});

	it('goes to the one that may pass', () => {
		const hopeless = single(0.5, 600, 200);
		const likely = single(0.3, 20, 40);
		expect(divide(hopeless, likely)[1]).toBeGreaterThanOrEqual(0.75);
		expect(divide(likely, hopeless)[0]).toBeGreaterThanOrEqual(0.75);
		expect(divide(hopeless, likely, hopeless)[1]).toBeGreaterThanOrEqual(0.75);
	});

	it('goes to what saves more, where both are sure', () => {
		expect(divide(single(0.2, 0, 100), single(0.4, 0, 100))[1]).toBeGreaterThan(0);
	});

	it('is divided where each may pass when the other does not', () => {
		const shares = divide(single(0.5, 200, 215), single(0.3, 20, 40));
		expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
		expect(Math.min(...shares)).toBeGreaterThan(0);
	});

	it('trusts what was chosen by its losses less', () => {
		const safe = single(0.2, 20, 40);
		const tempting = (isChosen: boolean): readonly number[] => divide(single(0.4, 170, 150, isChosen), safe);
		expect(tempting(false)[0]).toBeGreaterThan(0);
		expect(tempting(true)).toEqual([0, 1]);
	});

	it('stays with the first where nothing can be expected of anyone', () => {
		expect(divide(single(0.5, 900, 0), single(0.5, 900, 0))).toEqual([1, 0]);
	});

	it('is divided in tenths and quarters that add up to 1, among five', () => {
		const shares = divide(...[0.1, 0.2, 0.3, 0.4, 0.5].map((saved) => single(saved, 150, 150)));
		expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
	});
});
