import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { solveWithHighs } from '../../../solver/ilp/highs.ts';
import { solveMip } from '../../../solver/ilp/highs-solve.ts';
import type { MipModel } from '../../../solver/ilp/mip-model.ts';

/** minimize -5x - 4y, 6x + 4y <= 24, x + 2y <= 6, whole numbers: optimum -20 at (4, 0); relaxed -21 at (3, 1.5). */
const small: MipModel = {
	colCost: Float64Array.of(-5, -4),
	colLower: Float64Array.of(0, 0),
	colUpper: Float64Array.of(100, 100),
	integrality: Int32Array.of(1, 1),
	rowLower: Float64Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY),
	rowUpper: Float64Array.of(24, 6),
	rowStarts: Int32Array.of(0, 2, 4),
	columnIndices: Int32Array.of(0, 1, 0, 1),
	values: Float64Array.of(6, 4, 1, 2),
};
const limits = { relativeGap: 0, maxNodes: 1000, timeLimitSeconds: 30 };

/**
 * Halve four sums of 30 random numbers at once, at the least deviation: a market split problem, small to write down and out of reach for
 * branch and bound (G. Cornuejols and M. Dawande, "A class of hard small 0-1 programs", 1998).
 */
function marketSplit(): MipModel {
	const columns = 30;
	const rows = 4;
	const random = randomStream(1, 'market split');
	const values = Float64Array.from({ length: columns * rows }, () => Math.floor(100 * random()));
	const half = Array.from({ length: rows }, (_, row) => {
		const sum = values.slice(row * columns, (row + 1) * columns).reduce((total, value) => total + value, 0);
		return Math.floor(sum / 2);
	});
	const slack = rows * 2;
	return {
		colCost: Float64Array.from({ length: columns + slack }, (_, j) => (j < columns ? 0 : 1)),
		colLower: new Float64Array(columns + slack),
		colUpper: Float64Array.from({ length: columns + slack }, (_, j) => (j < columns ? 1 : 1e4)),
		integrality: Int32Array.from({ length: columns + slack }, (_, j) => (j < columns ? 1 : 0)),
		rowLower: Float64Array.from(half),
		rowUpper: Float64Array.from(half),
		rowStarts: Int32Array.from({ length: rows + 1 }, (_, row) => row * (columns + 2)),
		columnIndices: Int32Array.from(
			half.flatMap((_, row) => [...Array(columns).keys(), columns + 2 * row, columns + 2 * row + 1]),
		),
		values: Float64Array.from(
			half.flatMap((_, row) => [...values.slice(row * columns, (row + 1) * columns), 1, -1]),
		),
	};
}

describe('HiGHS', () => {
	it('solves in a thread of its own, again and again', async () => {
		for (let i = 0; i < 2; i++) {
			const result = await solveWithHighs({ mip: small, start: null, limits });
			expect(result.stoppedBy).toBe('gap');
			expect(result.values?.[0]).toBeCloseTo(4, 6);
			expect(result.values?.[1]).toBeCloseTo(0, 6);
			expect(result.bound).toBeCloseTo(-20, 6);
		}
	});

	it('leaves the event loop free, and is killed when it does not end by itself', async () => {
		let ticks = 0;
		const ticking = setInterval(() => ticks++, 10);
		// The hard stop comes three seconds after the start, long before the solver's own limit.
		const endless = { relativeGap: 0, maxNodes: 1e9, timeLimitSeconds: 1000 };
		const result = await solveWithHighs({ mip: marketSplit(), start: null, limits: endless }, 3 - 1000);
		clearInterval(ticking);
		expect(result).toMatchObject({ stoppedBy: 'time', values: null, message: 'killed by the hard stop' });
		expect(ticks).toBeGreaterThan(5);
	});

	it('reports a broken model as a failure', async () => {
		const broken = { ...small, rowStarts: Int32Array.of(0, 2, 99) };
		const result = await solveWithHighs({ mip: broken, start: null, limits });
		expect(result).toMatchObject({ stoppedBy: 'failed', values: null });
		expect(result.message).not.toBe('');
	});

	it('tells no solution from a solution', async () => {
		const rowLower = Float64Array.of(Number.NEGATIVE_INFINITY, 7);
		const rowUpper = Float64Array.of(24, 8);
		const colUpper = Float64Array.of(1, 1);
		const result = await solveMip({ mip: { ...small, colUpper, rowLower, rowUpper }, start: null, limits });
		expect(result).toMatchObject({ stoppedBy: 'infeasible', values: null });
	});

	it('stops at the node limit with what it has, the same each time', async () => {
		const request = { mip: marketSplit(), start: null, limits: { ...limits, maxNodes: 50 } };
		const [first, second] = [await solveMip(request), await solveMip(request)];
		expect(first.stoppedBy).toBe('nodes');
		expect(first.nodes).toBeGreaterThan(0);
		expect(second).toEqual(first);
	});

	it('stops at its time limit and says so, with no point when it found none', async () => {
		const result = await solveMip({
			mip: marketSplit(),
			start: null,
			limits: { ...limits, timeLimitSeconds: 0 },
		});
		expect(result).toMatchObject({ stoppedBy: 'time', values: null });
	});

	it('takes the start it is given', async () => {
		const start = Float64Array.of(0, 3);
		const result = await solveMip({ mip: small, start, limits: { ...limits, timeLimitSeconds: 0 } });
		expect(Array.from(result.values ?? [], (value) => Math.round(value) + 0)).toEqual([0, 3]);
	});
});
