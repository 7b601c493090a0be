/**
 * Output-length distributions as plain data, and their quantile function. No randomness here: a caller
 * turns a uniform number of its own stream into tokens, so correlated draws (one shared normal per query) are possible.
 */

/** Natural-log scale: `mu` and `sigma` are the mean and standard deviation of ln(tokens). */
export type LengthBody =
	| { readonly family: 'lognormal'; readonly mu: number; readonly sigma: number }
	| {
			readonly family: 'lognormal2';
			/** Share of the first component, 0 to 1. */
			readonly w1: number;
			readonly mu1: number;
			readonly sigma1: number;
			readonly mu2: number;
			readonly sigma2: number;
	  }
	| {
			readonly family: 'empirical';
			/** Tokens at evenly spaced probabilities 0, 1/(n-1), ..., 1; not decreasing; at least 2. */
			readonly quantilesTokens: readonly number[];
	  }
	| { readonly family: 'constant'; readonly tokens: number };

/** tokens = min(capTokens, shiftTokens + scale x draw); with probability `runawayShare` the output runs to the cap instead. */
export interface LengthDistribution {
	readonly body: LengthBody;
	readonly shiftTokens: number;
	readonly capTokens: number;
	/** 0 to 1. */
	readonly runawayShare: number;
	/** Multiplies shift and body, not the cap. 1 leaves the distribution as published. */
	readonly scale: number;
}

/**
 * Tokens at probability `p` of the distribution (runaway outputs are the top of it).
 * @param p probability, 0 <= p < 1
 * @returns whole tokens, 1 to capTokens
 */
export function quantileTokens(distribution: LengthDistribution, p: number): number {
	const { body, shiftTokens, capTokens, runawayShare, scale } = distribution;
	if (p >= 1 - runawayShare) return capTokens;
	const draw = bodyQuantile(body, p / (1 - runawayShare));
	return Math.max(1, Math.min(capTokens, Math.round(scale * (shiftTokens + draw))));
}

/** Mean tokens by averaging `points` midpoint quantiles. */
export function meanTokens(distribution: LengthDistribution, points = 2000): number {
	let sum = 0;
	for (let i = 0; i < points; i++) sum += quantileTokens(distribution, (i + 0.5) / points);
	return sum / points;
}

function bodyQuantile(body: LengthBody, p: number): number {
	switch (body.family) {
		case 'constant':
			return body.tokens;
		case 'lognormal':
			return Math.exp(body.mu + body.sigma * normalQuantile(p));
		case 'lognormal2':
			return Math.exp(mixtureQuantile(body, p));
		case 'empirical': {
			const last = body.quantilesTokens.length - 1;
			const at = Math.min(last, Math.max(0, p * last));
			const low = Math.floor(at);
			const below = body.quantilesTokens[low] ?? 0;
			const above = body.quantilesTokens[Math.min(last, low + 1)] ?? below;
			return below + (above - below) * (at - low);
		}
	}
}

/** Quantile of a two-normal mixture on the log scale, by bisection (its CDF has no closed inverse). */
function mixtureQuantile(body: Extract<LengthBody, { family: 'lognormal2' }>, p: number): number {
	const z = normalQuantile(Math.min(1 - 1e-12, Math.max(1e-12, p)));
	const first = body.mu1 + body.sigma1 * z;
	const second = body.mu2 + body.sigma2 * z;
	// The mixture's CDF at either component's quantile brackets p.
	let low = Math.min(first, second);
	let high = Math.max(first, second);
	for (let i = 0; i < 60 && high - low > 1e-9; i++) {
		const middle = (low + high) / 2;
		const cdf =
			body.w1 * normalCdf((middle - body.mu1) / body.sigma1) +
			(1 - body.w1) * normalCdf((middle - body.mu2) / body.sigma2);
		if (cdf < p) low = middle;
		else high = middle;
	}
	return (low + high) / 2;
}

/**
 * Standard normal CDF, absolute error below 1e-15 relative to the true value over the range used.
 * @source Marsaglia, "Evaluating the Normal Distribution", Journal of Statistical Software 11(4), 2004 (Taylor series), with the
 * asymptotic tail beyond 6.5 where the series loses digits
 */
export function normalCdf(x: number): number {
	if (x < -38) return 0;
	if (x > 38) return 1;
	if (Math.abs(x) > 6.5) {
		const y = Math.abs(x);
		const tail = (Math.exp((-y * y) / 2) / (y * Math.sqrt(2 * Math.PI))) * (1 - 1 / (y * y) + 3 / y ** 4);
		return x > 0 ? 1 - tail : tail;
	}
	let sum = x;
	let term = x;
	for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
		term *= (x * x) / i;
		sum += term;
		if (sum === 0) break;
	}
	return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

/**
 * Inverse of the standard normal CDF, relative error below 1.15e-9.
 * @param p 0 < p < 1; values outside give -Infinity or Infinity
 * @source P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function", 2003
 */
export function normalQuantile(p: number): number {
	if (p <= 0) return Number.NEGATIVE_INFINITY;
	if (p >= 1) return Number.POSITIVE_INFINITY;
	const [a, b, c, d] = ACKLAM;
	if (p < 0.02425) {
		const q = Math.sqrt(-2 * Math.log(p));
		return horner(c, q) / (horner(d, q) * q + 1);
	}
	if (p > 1 - 0.02425) return -normalQuantile(1 - p);
	const q = p - 0.5;
	const r = q * q;
	return (horner(a, r) * q) / (horner(b, r) * r + 1);
}

const ACKLAM = [
	[
		-3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
		2.506628277459239,
	],
	[
		-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1,
		-1.328068155288572e1,
	],
	[
		-7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
		2.938163982698783,
	],
	[7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416],
] as const;

const horner = (coefficients: readonly number[], x: number): number =>
	coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
