import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { modelId } from '../../../sim/domain/ids.ts';
import type { ExpertCost } from '../../../solver/ilp/cost-model.ts';
import { canSeat, type PlacementExpert, replicationCap } from '../../../solver/ilp/instance.ts';

const costOf = (loadSeconds: number, sessionSeconds: number): ExpertCost => ({
	model: modelId('a'),
	gpuType: 'A',
	loadSeconds,
	sessionSeconds,
	secondsPerCall: 1,
	regression: { alphaSeconds: 0, betaSeconds: 1, gammaSeconds: 0, rmsErrorPercent: 0, maxErrorPercent: 0 },
	sweep: [],
});

describe('the replication cap', () => {
	it.each([
		// Reasoning experts of the paper: rho about 0.02.
		[0.02, 4],
		[0.2, 4],
		[0.3, 3],
		[0.34, 2],
		[0.5, 2],
		[0.51, 1],
		[0.95, 1],
		[1.5, 1],
	])('follows equation 8 at rho = %f: %i of 4', (rho, cap) => {
		const costs = Array.from({ length: 4 }, () => costOf(rho * 1000, 1000));
		expect(replicationCap(costs, 'reasoning', 'formula')).toBe(cap);
		expect(replicationCap(costs, 'reasoning', 'paper-pin')).toBe(cap);
		expect(replicationCap(costs, 'instruct', 'formula')).toBe(cap);
		expect(replicationCap(costs, 'instruct', 'paper-pin')).toBe(1);
	});

	it('counts only workers that can hold the model, and averages over their types', () => {
		expect(replicationCap([costOf(10, 1000), null, costOf(10, 1000)], 'reasoning', 'formula')).toBe(2);
		// 1.5 and 5.5 loads: 3.5 on the mean worker.
		const mixed = [costOf(10, 15), costOf(10, 55), costOf(10, 15), costOf(10, 55)];
		expect(replicationCap(mixed, 'reasoning', 'formula')).toBe(3);
	});
});

describe('canSeat', () => {
	const expertOn = (workers: readonly boolean[]): PlacementExpert => ({
		model: modelId('a'),
		calls: 1,
		cap: 1,
		costs: workers.map((fits) => (fits ? costOf(1, 1) : null)),
	});

	/** Every way to seat them, one after another. */
	const bruteForce = (experts: readonly PlacementExpert[], seats: readonly number[]): boolean => {
		const [first, ...rest] = experts;
		if (first === undefined) return true;
		return seats.some(
			(free, n) =>
				free > 0 &&
				first.costs[n] !== null &&
				bruteForce(
					rest,
					seats.map((each, i) => (i === n ? each - 1 : each)),
				),
		);
	};

	it('agrees with trying every way', () => {
		let seated = 0;
		for (let seed = 0; seed < 500; seed++) {
			const random = randomStream(seed, 'seats');
			const seats = Array.from({ length: 3 }, () => Math.floor(random() * 3));
			const experts = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
				expertOn(seats.map(() => random() < 0.5)),
			);
			const expected = bruteForce(experts, seats);
			expect({ seed, can: canSeat(experts, seats) }).toEqual({ seed, can: expected });
			if (expected) seated++;
		}
		expect(seated).toBeGreaterThan(50);
		expect(seated).toBeLessThan(450);
	});
});
