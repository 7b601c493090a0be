/**
 * Least squares with coefficients that may not be negative: minimize sum over rows of (row . x - target)^2 subject to x >= 0.
 * For a handful of columns every set of columns is tried and the best one without a negative coefficient kept: exact and short.
 *
 * @param rows one entry per column, at most 10 columns
 * @returns one coefficient per column; among equally good ones the set of fewest columns, then of the first columns
 */
export function nonNegativeLeastSquares(
	rows: readonly (readonly number[])[],
	targets: readonly number[],
): readonly number[] {
	const columnCount = rows[0]?.length ?? 0;
	// Columns of very different size (1, tokens, millions of tokens) are brought to size 1 before anything is multiplied.
	const scales = range(columnCount).map((j) => Math.max(...rows.map((row) => Math.abs(row[j] ?? 0))) || 1);
	const scaled = rows.map((row) => row.map((value, j) => value / (scales[j] ?? 1)));
	const total = targets.reduce((sum, target) => sum + target * target, 0);

	let best: readonly number[] = range(columnCount).map(() => 0);
	let bestResidual = total;
	const sets = range(2 ** columnCount)
		.map((bits) => range(columnCount).filter((j) => (bits >> j) % 2 === 1))
		.sort((a, b) => a.length - b.length);
	for (const columns of sets) {
		const solution = solveNormalEquations(scaled, targets, columns);
		if (solution === null || solution.some((value) => value < 0)) continue;
		const x = range(columnCount).map((j) => solution[columns.indexOf(j)] ?? 0);
		const residual = squaredResidual(scaled, targets, x);
		// A larger set that is better only by rounding is not better.
		if (residual >= bestResidual - 1e-12 * total) continue;
		bestResidual = residual;
		best = x;
	}
	return best.map((value, j) => value / (scales[j] ?? 1));
}

/** Unconstrained least squares on some columns; null when they do not determine it. */
function solveNormalEquations(
	rows: readonly (readonly number[])[],
	targets: readonly number[],
	columns: readonly number[],
): readonly number[] | null {
	const size = columns.length;
	const matrix = columns.map((a) => [
		...columns.map((b) => rows.reduce((sum, row) => sum + (row[a] ?? 0) * (row[b] ?? 0), 0)),
		rows.reduce((sum, row, i) => sum + (row[a] ?? 0) * (targets[i] ?? 0), 0),
	]);
	const at = (i: number, j: number): number => matrix[i]?.[j] ?? 0;
	for (let pivot = 0; pivot < size; pivot++) {
		const largest = range(size)
			.slice(pivot)
			.reduce((top, i) => (Math.abs(at(i, pivot)) > Math.abs(at(top, pivot)) ? i : top), pivot);
		if (Math.abs(at(largest, pivot)) < 1e-10) return null;
		const row = matrix[largest] ?? [];
		matrix[largest] = matrix[pivot] ?? [];
		matrix[pivot] = row;
		for (let i = 0; i < size; i++) {
			if (i === pivot) continue;
			const factor = at(i, pivot) / at(pivot, pivot);
			matrix[i] = (matrix[i] ?? []).map((value, j) => value - factor * at(pivot, j));
		}
	}
	return range(size).map((i) => at(i, size) / at(i, i));
}

function squaredResidual(
	rows: readonly (readonly number[])[],
	targets: readonly number[],
	x: readonly number[],
): number {
	return rows.reduce((sum, row, i) => {
		const error = row.reduce((value, entry, j) => value + entry * (x[j] ?? 0), 0) - (targets[i] ?? 0);
		return sum + error * error;
	}, 0);
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
