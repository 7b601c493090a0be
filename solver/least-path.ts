import { sumOfRange } from './decode-cost.ts';

/** What the token at x costs on some engine: `at0 + slope x`. */
export interface Line {
	readonly at0: number;
	readonly slope: number;
}

/** What going over to another engine for the token at x costs beside: max(0, slope x - less), with a slope of at least 0. */
export interface MoveCost {
	readonly slope: number;
	readonly less: number;
}

/**
 * Sum over x = from to `to` - 1, each on one of the lines, with the moves between them, at least. It begins on any line. A flatter line only gains
 * as x grows, and a move never gets cheaper, so the best path goes to ever flatter ones.
 */
export function leastPath(lines: readonly Line[], move: MoveCost): (from: number, to: number) => number {
	const steepestFirst = [...lines].sort((a, b) => b.slope - a.slope);
	const moves = steepestFirst.map((line, index) =>
		steepestFirst.slice(index + 1).map((flatter, beyond) => {
			const x = moveFrom(line, flatter, move);
			return { next: index + 1 + beyond, x, us: Math.max(0, move.slope * x - move.less) };
		}),
	);
	const onwards = (index: number, begin: number, to: number): number => {
		const line = steepestFirst[index] as Line;
		let leastUs = sumOn(line, begin, to);
		for (const { next, x, us } of moves[index] ?? [])
			if (x > begin && x < to) leastUs = Math.min(leastUs, sumOn(line, begin, x) + us + onwards(next, x, to));
		return leastUs;
	};
	return (from, to) => {
		let leastUs = Number.POSITIVE_INFINITY;
		for (let index = 0; index < steepestFirst.length; index++)
			leastUs = Math.min(leastUs, onwards(index, from, to));
		return leastUs;
	};
}

const sumOn = ({ at0, slope }: Line, from: number, to: number): number =>
	at0 * (to - from) + slope * sumOfRange(from, to);

/** The token from which on the flatter line is better, with the move to it; the cost of both is convex in that token. */
function moveFrom(steep: Line, flat: Line, move: MoveCost): number {
	const steeper = steep.slope - flat.slope;
	if (steeper <= 0) return Number.POSITIVE_INFINITY;
	const higher = flat.at0 - steep.at0;
	const crossing = Math.ceil(higher / steeper);
	if (move.slope === 0) return crossing;
	// Up to here moves are free; from the next token on each one's costs more than the last one's, in full from the second.
	const dear = Math.floor(move.less / move.slope);
	if (crossing <= dear) return crossing;
	const partUs = move.slope * (dear + 1) - move.less;
	if (steeper * dear - higher + partUs >= 0) return dear;
	return Math.max(dear + 1, Math.ceil((higher - move.slope) / steeper));
}
