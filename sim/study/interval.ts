/** A figure over seeds. */
export interface Spread {
	readonly mean: number;
	/** Smallest and largest seed: what a single published run is to be held against. */
	readonly low: number;
	readonly high: number;
}

export function spreadOf(values: readonly number[]): Spread {
	return {
		mean: values.reduce((sum, value) => sum + value, 0) / values.length,
		low: Math.min(...values),
		high: Math.max(...values),
	};
}
