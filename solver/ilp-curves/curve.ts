/**
 * What a session costs by its size: load plus generation, in seconds, at increasing numbers of calls, straight lines between, not
 * decreasing. Its first point is a floor (a smaller session is taken to be as long), its last one serves all calls of the model.
 */
export interface Curve {
	readonly calls: readonly number[];
	readonly seconds: readonly number[];
}

/** Part of a curve bent upwards only, from below: lines through some of its points. At least one point; calls and seconds increase. */
export type Piece = Curve;

/** Seconds of one session; 0 for no calls, Infinity beyond the last point. */
export function secondsAt({ calls, seconds }: Curve, count: number): number {
	if (count <= 0) return 0;
	if (count > (calls.at(-1) ?? 0)) return Number.POSITIVE_INFINITY;
	const above = firstAtLeast(calls, count);
	return above === 0 ? (seconds[0] ?? 0) : onLine(calls, seconds, above, count);
}

/** Most calls, not rounded, of a session that takes at most so long; 0 when not even the smallest does. */
export function callsWithin({ calls, seconds }: Curve, limitSeconds: number): number {
	if (limitSeconds < (seconds[0] ?? Number.POSITIVE_INFINITY)) return 0;
	const above = firstAbove(seconds, limitSeconds);
	return above === seconds.length ? (calls.at(-1) ?? 0) : onLine(seconds, calls, above, limitSeconds);
}

/** Longest session that the curve knows. */
export const fullSeconds = ({ seconds }: Curve): number => seconds.at(-1) ?? 0;

/**
 * The curve up to `limitSeconds`, as pieces that lie below it by `toleranceSeconds` at most. A session is on one piece, so a program made
 * of pieces is convex once it is said which; what it proves holds for the curve.
 */
export function piecesOf(curve: Curve, limitSeconds: number, toleranceSeconds: number): readonly Piece[] {
	const points = clip(curve, limitSeconds);
	const pieces: Piece[] = [];
	for (let from = 0; from < points.length; ) {
		let to = from;
		let hull = points.slice(from, from + 1);
		for (let next = to + 1; next < points.length; next++) {
			const wider = lowerHull(points.slice(from, next + 1));
			// A wider piece can fit again where a narrower one did not: all ends are tried.
			if (gapBelow(points.slice(from, next + 1), wider) > toleranceSeconds) continue;
			hull = wider;
			to = next;
		}
		pieces.push({ calls: hull.map(({ calls }) => calls), seconds: hull.map(({ seconds }) => seconds) });
		// Two points are always one piece, so every round gets further; the next piece begins where this one ends.
		if (to === points.length - 1) break;
		from = to;
	}
	return pieces;
}

interface Point {
	readonly calls: number;
	readonly seconds: number;
}

function clip(curve: Curve, limitSeconds: number): readonly Point[] {
	const points = curve.calls
		.map((calls, i): Point => ({ calls, seconds: curve.seconds[i] ?? 0 }))
		.filter(({ seconds }) => seconds <= limitSeconds);
	const calls = callsWithin(curve, limitSeconds);
	const last = points.at(-1);
	return last !== undefined && calls > last.calls ? [...points, { calls, seconds: limitSeconds }] : points;
}

/** Corners of the largest convex function that is nowhere above the points. */
function lowerHull(points: readonly Point[]): Point[] {
	const hull: Point[] = [];
	for (const point of points) {
		for (;;) {
			const [a, b] = [hull.at(-2), hull.at(-1)];
			if (a === undefined || b === undefined) break;
			if (
				(b.seconds - a.seconds) * (point.calls - a.calls) <
				(point.seconds - a.seconds) * (b.calls - a.calls)
			)
				break;
			hull.pop();
		}
		hull.push(point);
	}
	return hull;
}

function gapBelow(points: readonly Point[], hull: readonly Point[]): number {
	const curve = { calls: hull.map(({ calls }) => calls), seconds: hull.map(({ seconds }) => seconds) };
	return Math.max(...points.map(({ calls, seconds }) => seconds - secondsAt(curve, calls)));
}

/** y at x on the line that ends at index `to`. */
function onLine(xs: readonly number[], ys: readonly number[], to: number, x: number): number {
	const [x0 = 0, x1 = 0, y0 = 0, y1 = 0] = [xs[to - 1], xs[to], ys[to - 1], ys[to]];
	return x1 === x0 ? y1 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

function firstAtLeast(values: readonly number[], value: number): number {
	let index = 0;
	while ((values[index] ?? Number.POSITIVE_INFINITY) < value) index++;
	return index;
}

function firstAbove(values: readonly number[], value: number): number {
	let index = 0;
	while ((values[index] ?? Number.POSITIVE_INFINITY) <= value) index++;
	return index;
}
