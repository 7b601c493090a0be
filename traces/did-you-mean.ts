/**
 * The candidate that a mistyped name most likely meant: smallest edit distance (a swap of neighbours counts once), at most a
 * third of the name's length and at least 1. Upper and lower case do not count. Ties go to the earlier candidate.
 */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
	const limit = Math.max(1, Math.floor(name.length / 3));
	let best: string | undefined;
	let bestDistance = limit + 1;
	for (const candidate of candidates) {
		const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
		if (distance < bestDistance) {
			best = candidate;
			bestDistance = distance;
		}
	}
	return best;
}

/** ` (did you mean 'x'?)`, or nothing when no candidate is near. Meant for the end of an error line. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
	const near = closest(name, candidates);
	return near === undefined ? '' : ` (did you mean '${near}'?)`;
}

/** Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
	let beforeLast: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const substitution = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
			let distance = Math.min(substitution, at(last, j) + 1, at(row, j - 1) + 1);
			if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
				distance = Math.min(distance, at(beforeLast, j - 2) + 1);
			}
			row.push(distance);
		}
		beforeLast = last;
		last = row;
	}
	return at(last, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;
