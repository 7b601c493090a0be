/**
 * Student's t for 95 % two-sided intervals: the 0.975 quantile.
 * @param degreesOfFreedom whole, at least 1
 * @source NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, to 3 decimals up to 30 degrees of freedom; beyond, the
 * expansion of Abramowitz & Stegun 26.7.5, whose error there is below 1e-5
 */
export function studentT975(degreesOfFreedom: number): number {
	const tabled = TABLE[degreesOfFreedom - 1];
	if (tabled !== undefined) return tabled;
	const z = 1.959963984540054;
	const n = degreesOfFreedom;
	return (
		z +
		(z ** 3 + z) / (4 * n) +
		(5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * n ** 2) +
		(3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * n ** 3)
	);
}

const TABLE: readonly number[] = [
	12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
	2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** A mean and its 95 % interval; with one value the interval is the value itself. */
export interface Estimate {
	readonly mean: number;
	readonly low: number;
	readonly high: number;
}

/** @param values at least one */
export function estimate(values: readonly number[]): Estimate {
	const n = values.length;
	const mean = values.reduce((sum, value) => sum + value, 0) / n;
	if (n < 2) return { mean, low: mean, high: mean };
	const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
	const half = studentT975(n - 1) * Math.sqrt(variance / n);
	return { mean, low: mean - half, high: mean + half };
}
