import { describe, expect, it } from 'vitest';
import { randomStream } from '../../sim/core/random.ts';
import { type Line, leastPath, type MoveCost } from '../../solver/least-path.ts';
import { whole } from '../support/random-setup.ts';

/** Token by token, over all lines. */
function leastByTrying(lines: readonly Line[], move: MoveCost, from: number, to: number): number {
	const at = ({ at0, slope }: Line, x: number): number => at0 + slope * x;
	let costs = lines.map((line) => at(line, from));
	for (let x = from + 1; x < to; x++) {
		const moveUs = Math.max(0, move.slope * x - move.less);
		const elsewhere = Math.min(...costs) + moveUs;
		costs = lines.map((line, index) => Math.min(costs[index] ?? 0, elsewhere) + at(line, x));
	}
	return Math.min(...costs);
}

describe('the least path over engines', () => {
	it('is what trying every engine for every token finds', () => {
		let moved = 0;
		for (let seed = 0; seed < 5000; seed++) {
			const random = randomStream(seed, 'lines');
			const lines = Array.from(
				{ length: whole(random, 1, 5) },
				(): Line => ({
					at0: 300 * random(),
					slope: whole(random, 0, 20),
				}),
			);
			const move: MoveCost = { slope: random() < 0.2 ? 0 : 8 * random(), less: 220 * random() - 20 };
			const from = whole(random, 0, 15);
			const to = from + whole(random, 1, 60);
			const least = leastPath(lines, move)(from, to);
			expect({ seed, least }).toEqual({
				seed,
				least: expect.closeTo(leastByTrying(lines, move, from, to), 6),
			});
			if (least < Math.min(...lines.map((one) => leastByTrying([one], move, from, to))) - 1e-6) moved++;
		}
		expect(moved).toBeGreaterThan(500);
	});
});
