import { normalQuantile } from '../sim/domain/distribution.ts';

/** Published quantiles of a length: `[probability, tokens]`, both increasing, at least two. */
export type Knots = readonly (readonly [probability: number, tokens: number])[];

/**
 * A distribution known by a few quantiles only: ln(tokens) is a straight line in the normal score between two knots (exact for
 * a lognormal), the outer lines go on beyond the first and last knot. Checked against the published means: within 2 %.
 * @param p 0 < p < 1
 * @param largestTokens no draw is longer
 * @returns whole tokens, at least 1
 */
export function quantileFromKnots(knots: Knots, largestTokens: number, p: number): number {
	let upper = 1;
	while (upper < knots.length - 1 && p > probability(knots, upper)) upper++;
	const z0 = normalQuantile(probability(knots, upper - 1));
	const z1 = normalQuantile(probability(knots, upper));
	const y0 = Math.log(tokens(knots, upper - 1));
	const y1 = Math.log(tokens(knots, upper));
	const y = y0 + ((y1 - y0) * (normalQuantile(p) - z0)) / (z1 - z0);
	return Math.max(1, Math.min(largestTokens, Math.round(Math.exp(y))));
}

/** Mean of `quantileFromKnots` over `points` midpoints. */
export function meanFromKnots(knots: Knots, largestTokens: number, points = 1000): number {
	let sum = 0;
	for (let i = 0; i < points; i++) sum += quantileFromKnots(knots, largestTokens, (i + 0.5) / points);
	return sum / points;
}

const probability = (knots: Knots, index: number): number => knots[index]?.[0] ?? Number.NaN;
const tokens = (knots: Knots, index: number): number => knots[index]?.[1] ?? Number.NaN;
