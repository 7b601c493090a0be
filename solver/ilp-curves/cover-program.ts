/** Rows of sum_j rows[i][j] x_j >= least[i] over x >= 0, dense. */
export interface CoverRows {
	readonly rows: readonly Float64Array[];
	readonly least: readonly number[];
}

/** A point of the rows, a proof that there is none, or neither. */
export type CoverAnswer =
	| { readonly kind: 'point'; readonly values: Float64Array }
	| { readonly kind: 'none' }
	| { readonly kind: 'unknown' };

/** Rows may be missed by so much. */
const TOLERANCE = 1e-9;
/** Smaller pivots lose digits. */
const LEAST_PIVOT = 1e-8;

/**
 * Whether rows have a point, by the dual simplex method on a dense table: for programs so small that the other solver takes longer to begin.
 * Among the points it tends to one with a small sum. That there is none is only said when the multipliers of the rows that show it hold in
 * the rows as they were given.
 * @param mostSum of all x that matter; the rows imply it
 */
export function solveCover({ rows, least }: CoverRows, mostSum: number): CoverAnswer {
	const count = rows[0]?.length ?? 0;
	// Basic variable of row i: its slack, rows[i] x - least[i], at first. Column j: x_j. The last column is the value.
	const table = rows.map((row, i) => Float64Array.of(...row, -(least[i] ?? 0)));
	// Unequal costs, so that no two columns tie.
	const cost = Float64Array.from({ length: count }, (_, j) => 1 + 1e-4 * ((j * 0.618_033_988_75) % 1));
	const basic = rows.map((_, i) => count + i);
	const nonbasic = Array.from({ length: count }, (_, j) => j);

	for (let pivots = 0; pivots < 20 * (count + rows.length); pivots++) {
		const out = mostMissed(table, count);
		if (out < 0) return { kind: 'point', values: pointOf(table, basic, count) };
		const row = table[out] as Float64Array;
		const into = cheapest(row, cost);
		if (into < 0) {
			const multipliers = new Float64Array(rows.length);
			const take = (variable: number, factor: number): void => {
				if (variable >= count) multipliers[variable - count] = Math.max(0, factor);
			};
			take(basic[out] ?? 0, 1);
			nonbasic.forEach((variable, j) => {
				take(variable, -(row[j] ?? 0));
			});
			return { kind: shows(multipliers, rows, least, mostSum) ? 'none' : 'unknown' };
		}
		pivot(table, cost, out, into);
		const leaving = basic[out] ?? 0;
		basic[out] = nonbasic[into] ?? 0;
		nonbasic[into] = leaving;
	}
	return { kind: 'unknown' };
}

function mostMissed(table: readonly Float64Array[], valueColumn: number): number {
	let out = -1;
	let worst = -TOLERANCE;
	table.forEach((row, i) => {
		const value = row[valueColumn] ?? 0;
		if (value < worst) {
			worst = value;
			out = i;
		}
	});
	return out;
}

function cheapest(row: Float64Array, cost: Float64Array): number {
	let into = -1;
	let best = Number.POSITIVE_INFINITY;
	for (let j = 0; j < cost.length; j++) {
		const factor = row[j] as number;
		if (factor <= LEAST_PIVOT) continue;
		const ratio = (cost[j] as number) / factor;
		if (ratio < best) {
			best = ratio;
			into = j;
		}
	}
	return into;
}

/** Solves row `out` for column `into`, and puts that into all others. */
function pivot(table: readonly Float64Array[], cost: Float64Array, out: number, into: number): void {
	const row = table[out] as Float64Array;
	const factor = row[into] as number;
	for (let j = 0; j < row.length; j++) row[j] = -(row[j] as number) / factor;
	row[into] = 1 / factor;
	const replace = (other: Float64Array, length: number): void => {
		const times = other[into] as number;
		if (times === 0) return;
		other[into] = 0;
		for (let j = 0; j < length; j++) other[j] = (other[j] as number) + times * (row[j] as number);
	};
	table.forEach((other, i) => {
		if (i !== out) replace(other, other.length);
	});
	replace(cost, cost.length);
}

function pointOf(table: readonly Float64Array[], basic: readonly number[], count: number): Float64Array {
	const values = new Float64Array(count);
	basic.forEach((variable, i) => {
		if (variable < count) values[variable] = Math.max(0, table[i]?.[count] ?? 0);
	});
	return values;
}

/** Multipliers y >= 0 show that there is no x: y least > max_j (y rows)_j sum_j x_j, which is at least y rows x. */
function shows(
	multipliers: Float64Array,
	rows: readonly Float64Array[],
	least: readonly number[],
	mostSum: number,
): boolean {
	const size = multipliers.reduce((sum, y) => sum + y, 0);
	const needed = multipliers.reduce((sum, y, i) => sum + y * (least[i] ?? 0), 0);
	const combined = new Float64Array(rows[0]?.length ?? 0);
	multipliers.forEach((y, i) => {
		if (y === 0) return;
		const row = rows[i] as Float64Array;
		for (let j = 0; j < combined.length; j++) combined[j] = (combined[j] as number) + y * (row[j] as number);
	});
	const most = combined.reduce((top, value) => Math.max(top, value), 0);
	return needed > most * mostSum + 1e-7 * size;
}
