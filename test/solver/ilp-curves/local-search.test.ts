import { describe, expect, it } from 'vitest';
import { secondsAt } from '../../../solver/ilp-curves/curve.ts';
import { createCurveInstance } from '../../../solver/ilp-curves/instance.ts';
import { type Shares, searchShares } from '../../../solver/ilp-curves/local-search.ts';
import { curveProblem } from './curve-problem.ts';

const names = ['a', 'b', 'c', 'd', 'e'];
const problem = curveProblem(
	{
		gpuTypes: ['A', 'B', 'A', 'B'],
		speed: { B: 2 },
		memory: { A: 80e9, B: 141e9 },
		experts: names.map((name, i) => ({
			name,
			calls: 100 * (i + 1),
			secondsPerCall: 1,
			gpuBytes: name === 'e' ? 100e9 : 60e9,
		})),
		options: { maxModelsPerWorker: 3 },
	},
	Object.fromEntries(names.map((name, i) => [name, (calls: number) => 10 * i + calls ** 0.9])),
);
const instance = createCurveInstance(problem);
const types = [0, 1, 0, 1];
/** Everything on as few workers as K and memory allow. */
const start: Shares = [
	[100, 200, 300, 0, 0],
	[0, 0, 0, 400, 500],
	[0, 0, 0, 0, 0],
	[0, 0, 0, 0, 0],
];

const makespan = (shares: Shares): number =>
	Math.max(
		...shares.map((row, worker) =>
			row.reduce((sum, calls, m) => {
				const curve = instance.experts[m]?.curves[types[worker] as number];
				return calls === 0 ? sum : sum + (curve ? secondsAt(curve, calls) : Number.NaN);
			}, 0),
		),
	);

describe('searchShares', () => {
	const found = searchShares(instance, types, start, { enoughSeconds: 0, moves: 20_000, seed: 1 });

	it('shortens a bad plan a lot, and says how long it is', () => {
		expect(found.seconds).toBeLessThan(0.5 * makespan(start));
		expect(found.seconds).toBeCloseTo(makespan(found.shares), 6);
	});

	it('serves all calls, keeps K, and leaves models where they fit', () => {
		instance.experts.forEach(({ calls }, m) => {
			expect(found.shares.reduce((sum, row) => sum + (row[m] as number), 0)).toBe(calls);
		});
		for (const [worker, row] of found.shares.entries()) {
			expect(row.filter((calls) => calls > 0).length).toBeLessThanOrEqual(3);
			if (types[worker] === 0) expect(row[4]).toBe(0);
		}
	});

	it('comes out the same each time', () => {
		expect(searchShares(instance, types, start, { enoughSeconds: 0, moves: 20_000, seed: 1 })).toEqual(found);
	});

	it('stops when that is enough', () => {
		const enoughSeconds = 0.8 * makespan(start);
		const { seconds, moves } = searchShares(instance, types, start, {
			enoughSeconds,
			moves: 20_000,
			seed: 1,
		});
		expect(seconds).toBeLessThanOrEqual(enoughSeconds);
		expect(moves).toBeLessThan(20_000);
	});

	it('gives the start back when it may not move', () => {
		expect(searchShares(instance, types, start, { enoughSeconds: 0, moves: 0, seed: 1 }).shares).toBe(start);
	});
});
