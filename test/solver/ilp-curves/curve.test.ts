import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Curve, callsWithin, piecesOf, secondsAt } from '../../../solver/ilp-curves/curve.ts';

const curve: Curve = { calls: [10, 20, 40], seconds: [50, 60, 60] };

/** Increasing calls; seconds that stay, creep or jump. */
const curves = fc
	.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.constantFrom(0, 0, 1, 3, 10, 80)), {
		minLength: 1,
		maxLength: 12,
	})
	.map((steps): Curve => {
		let [calls, seconds] = [0, 20];
		const points = steps.map(([more, longer]) => {
			calls += more;
			seconds += longer;
			return { calls, seconds };
		});
		return { calls: points.map((point) => point.calls), seconds: points.map((point) => point.seconds) };
	});

describe('a curve', () => {
	it('is flat below its first point, straight between points, and ends', () => {
		expect([0, 1, 10, 15, 20, 30, 40, 41].map((calls) => secondsAt(curve, calls))).toEqual([
			0,
			50,
			50,
			55,
			60,
			60,
			60,
			Number.POSITIVE_INFINITY,
		]);
	});

	it('says how many calls fit', () => {
		expect([49, 50, 55, 59.9, 60, 1000].map((seconds) => callsWithin(curve, seconds))).toEqual([
			0,
			10,
			15,
			expect.closeTo(19.9, 9),
			40,
			40,
		]);
	});

	it('gives pieces that are bent upwards, lie below it by no more than asked for, and cover it up to the limit', () => {
		fc.assert(
			fc.property(
				curves,
				fc.double({ min: 10, max: 250, noNaN: true }),
				fc.double({ min: 0, max: 20, noNaN: true }),
				(any, limit, tolerance) => {
					const pieces = piecesOf(any, limit, tolerance);
					const most = callsWithin(any, limit);
					expect(pieces.at(-1)?.calls.at(-1) ?? 0).toBeCloseTo(most, 9);
					for (const piece of pieces) {
						const slopes = piece.calls
							.slice(1)
							.map(
								(calls, i) =>
									((piece.seconds[i + 1] as number) - (piece.seconds[i] as number)) /
									(calls - (piece.calls[i] as number)),
							);
						expect(slopes).toEqual([...slopes].sort((a, b) => a - b));
						for (
							let calls = piece.calls[0] as number;
							calls <= (piece.calls.at(-1) as number);
							calls += 0.5
						) {
							const below = secondsAt(any, calls) - secondsAt(piece, calls);
							expect(below).toBeGreaterThanOrEqual(-1e-9);
							expect(below).toBeLessThanOrEqual(tolerance + 1e-9);
						}
					}
					for (const [i, piece] of pieces.entries())
						if (i > 0) expect(piece.calls[0]).toBe(pieces[i - 1]?.calls.at(-1));
				},
			),
			{ seed: 1, numRuns: 300 },
		);
	});
});
