/** Smallest value; 0 for no option, which bounds nothing. */
export const leastOf = <T>(items: readonly T[], value: (item: T) => number): number =>
	items.length === 0 ? 0 : items.reduce((low, item) => Math.min(low, value(item)), Number.POSITIVE_INFINITY);
