import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { createMipSolver } from '../../../solver/ilp/highs-solve.ts';
import { Columns, Rows } from '../../../solver/ilp/mip-model.ts';
import { solveCover } from '../../../solver/ilp-curves/cover-program.ts';

const MOST = 5;

/** Shares to be covered by at most MOST workers, with a limit or two on some of them: now and then too much. */
function draw(seed: number): { readonly rows: Float64Array[]; readonly least: number[] } {
	const random = randomStream(seed, 'cover');
	const columns = 3 + Math.floor(10 * random());
	const rows = Array.from({ length: 2 + Math.floor(5 * random()) }, () =>
		Float64Array.from({ length: columns }, () => (random() < 0.5 ? random() : 0)),
	);
	const least = rows.map(() => 0.2 + 0.9 * random());
	rows.push(new Float64Array(columns).fill(-1));
	least.push(-MOST);
	for (let i = 0; i < 2; i++) {
		const isMost = random() < 0.5;
		rows.push(Float64Array.from({ length: columns }, () => (random() < 0.4 ? (isMost ? -1 : 1) : 0)));
		least.push(isMost ? -1 : 1);
	}
	return { rows, least };
}

describe('solveCover', () => {
	it('finds a point just when HiGHS does', async () => {
		const solve = createMipSolver();
		const kinds = { point: 0, none: 0 };
		for (let seed = 0; seed < 300; seed++) {
			const { rows, least } = draw(seed);
			const answer = solveCover({ rows, least }, MOST);
			const columns = new Columns();
			const program = new Rows();
			rows[0]?.forEach((_, j) => {
				columns.add(`x${j}`, 0, 0, Number.POSITIVE_INFINITY, false);
			});
			rows.forEach((row, i) => {
				const terms = [...row].map((value, j) => [j, value] as const).filter(([, value]) => value !== 0);
				program.add(`r${i}`, least[i] as number, Number.POSITIVE_INFINITY, terms);
			});
			const expected = await solve({
				mip: { ...columns.arrays(), ...program.arrays() },
				start: null,
				limits: { relativeGap: 0, maxNodes: 1, timeLimitSeconds: 10 },
			});
			expect({ seed, kind: answer.kind }).toEqual({
				seed,
				kind: expected.stoppedBy === 'infeasible' ? 'none' : 'point',
			});
			if (answer.kind === 'unknown') continue;
			kinds[answer.kind]++;
			if (answer.kind !== 'point') continue;
			rows.forEach((row, i) => {
				const done = row.reduce((sum, value, j) => sum + value * (answer.values[j] as number), 0);
				expect(done).toBeGreaterThanOrEqual((least[i] as number) - 1e-8);
			});
		}
		expect(Math.min(kinds.point, kinds.none)).toBeGreaterThan(30);
	}, 60_000);
});
