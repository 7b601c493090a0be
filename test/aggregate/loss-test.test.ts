import { describe, expect, it } from 'vitest';
import {
	bothTests,
	fewestQueries,
	type LossCounts,
	type LossTest,
	lossesAlone,
	netLosses,
	shareUpperBound,
} from '../../sim/aggregate/loss-test.ts';

describe.each([
	['losses alone', lossesAlone],
	['losses less gains', netLosses],
] as const)('the test on %s', (_name, test) => {
	it('rejects a true hypothesis no more often than alpha, summed over all outcomes', () => {
		for (const queries of [30, 80])
			for (const budget of [0, 0.02, 0.1])
				for (const gained of [0, 0.01, 0.05, 0.2])
					for (const beyond of [0, 0.03]) {
						const chances = { lost: gained + budget + beyond, gained };
						for (const alpha of [0.02, 0.1, 0.3])
							expect(rejected(test, queries, chances, budget, alpha)).toBeLessThanOrEqual(alpha);
					}
	});

	it('finds a loss that is plainly below the budget', () => {
		expect(rejected(test, 150, { lost: 0.005, gained: 0.01 }, 0.1, 0.1)).toBeGreaterThan(0.95);
	});
});

describe('losses less gains', () => {
	it('sums the chances of all smaller differences, at the bound on how many queries differ', () => {
		const queries = 60;
		const counts = { lost: 4, even: 50, gained: 6 };
		const budget = 0.1;
		const differ = shareUpperBound(10, queries, 0.002);
		const chances = { lost: (differ + budget) / 2, gained: (differ - budget) / 2 };
		const smaller = sumOverOutcomes(queries, chances, ({ lost, gained }) => (lost - gained <= -2 ? 1 : 0));
		expect(netLosses(counts, budget, 0.1)).toBeCloseTo(0.002 + smaller, 9);
	});

	it('takes gains into account, where losses alone say nothing', () => {
		const counts = { lost: 73, even: 13_141, gained: 119 };
		expect(lossesAlone(counts, 0.001, 0.1)).toBeGreaterThan(0.99);
		expect(netLosses(counts, 0.001, 0.1)).toBeLessThan(0.01);
	});
});

describe('both at once', () => {
	it('share the level, unevenly, but where one of them would show nothing', () => {
		const expected = { lost: 3, even: 194, gained: 3 };
		for (const [lost, gained] of [
			[2, 4],
			[9, 3],
			[0, 0],
		] as const) {
			const counts = { lost, even: 200 - lost - gained, gained };
			const alone = lossesAlone(counts, 0.05, 0.1);
			const net = netLosses(counts, 0.05, 0.1);
			expect(bothTests(expected, 0.05, 0.1)(counts)).toBe(Math.min(1, alone / 0.25, net / 0.75));
			expect(bothTests({ lost: 0, even: 9, gained: 0 }, 0.05, 0.1)(counts)).toBe(alone);
			expect(bothTests({ lost: 30, even: 130, gained: 40 }, 0.05, 0.1)(counts)).toBe(net);
		}
	});

	it('can tell at high confidence what they can at a low one, from more queries', () => {
		for (const alpha of [0.1, 0.01, 0.001]) {
			const counts = { lost: 40, even: 99_900, gained: 60 };
			expect(netLosses(counts, 0.001, alpha)).toBeLessThan(alpha / 10);
		}
	});
});

describe('fewestQueries', () => {
	it('is 2.3 / budget at 90 %', () => {
		expect(fewestQueries(0.001, 0.1)).toBe(2302);
		expect(lossesAlone({ lost: 0, even: 2302, gained: 0 }, 0.001, 0.1)).toBeLessThanOrEqual(0.1);
		expect(lossesAlone({ lost: 0, even: 2301, gained: 0 }, 0.001, 0.1)).toBeGreaterThan(0.1);
		expect(fewestQueries(0, 0.1)).toBe(Number.POSITIVE_INFINITY);
	});
});

describe('shareUpperBound', () => {
	it('covers the true share with at least the promised chance, summed over all outcomes', () => {
		for (const share of [0.01, 0.1, 0.4, 0.9]) {
			const missed = sumOverOutcomes(40, { lost: share, gained: 0 }, ({ lost }) =>
				shareUpperBound(lost, 40, 0.1) < share ? 1 : 0,
			);
			expect(missed).toBeLessThanOrEqual(0.1);
		}
	});

	it('is what nothing in n allows', () => {
		expect(shareUpperBound(0, 350, 0.1)).toBeCloseTo(1 - 0.1 ** (1 / 350), 12);
		expect(shareUpperBound(3, 3, 0.1)).toBe(1);
	});
});

interface Chances {
	readonly lost: number;
	readonly gained: number;
}

/** Chance to reject "mean loss >= budget". */
function rejected(test: LossTest, queries: number, chances: Chances, budget: number, alpha: number): number {
	return sumOverOutcomes(queries, chances, (counts) => (test(counts, budget, alpha) <= alpha ? 1 : 0));
}

/** Sum of chance x value over every outcome of n draws. */
function sumOverOutcomes(n: number, chances: Chances, value: (counts: LossCounts) => number): number {
	const even = 1 - chances.lost - chances.gained;
	let total = 0;
	for (let lost = 0; lost <= n; lost++)
		for (let gained = 0; lost + gained <= n; gained++) {
			const rest = n - lost - gained;
			const log =
				logFactorial(n) -
				logFactorial(lost) -
				logFactorial(gained) -
				logFactorial(rest) +
				power(chances.lost, lost) +
				power(chances.gained, gained) +
				power(even, rest);
			const chance = Math.exp(log);
			// What is rarer changes no digit that is looked at.
			if (chance > 1e-15) total += chance * value({ lost, even: rest, gained });
		}
	return total;
}

const power = (base: number, exponent: number): number => (exponent === 0 ? 0 : exponent * Math.log(base));

const logFactorial = (n: number): number => {
	let sum = 0;
	for (let i = 2; i <= n; i++) sum += Math.log(i);
	return sum;
};
