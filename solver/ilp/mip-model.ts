/**
 * A mixed-integer program as plain arrays, rows stored one after another (CSR): minimize colCost . x subject to
 * colLower <= x <= colUpper and rowLower <= A x <= rowUpper. Infinity means no bound.
 */
export interface MipModel {
	readonly colCost: Float64Array;
	readonly colLower: Float64Array;
	readonly colUpper: Float64Array;
	/** 1 for an integer column, else 0. */
	readonly integrality: Int32Array;
	readonly rowLower: Float64Array;
	readonly rowUpper: Float64Array;
	readonly rowStarts: Int32Array;
	readonly columnIndices: Int32Array;
	readonly values: Float64Array;
}

/** A coefficient of a row; a null column stands for none. */
export type Term = readonly [column: number | null, value: number];

/** Collects columns one by one. */
export class Columns {
	readonly names: string[] = [];
	private readonly cost: number[] = [];
	private readonly lower: number[] = [];
	private readonly upper: number[] = [];
	private readonly integer: number[] = [];

	/** @returns its index */
	add(name: string, cost: number, lower: number, upper: number, integer: boolean): number {
		this.cost.push(cost);
		this.lower.push(lower);
		this.upper.push(upper);
		this.integer.push(integer ? 1 : 0);
		return this.names.push(name) - 1;
	}

	arrays(): Pick<MipModel, 'colCost' | 'colLower' | 'colUpper' | 'integrality'> {
		return {
			colCost: Float64Array.from(this.cost),
			colLower: Float64Array.from(this.lower),
			colUpper: Float64Array.from(this.upper),
			integrality: Int32Array.from(this.integer),
		};
	}
}

/** Collects rows one by one. */
export class Rows {
	readonly names: string[] = [];
	private readonly lower: number[] = [];
	private readonly upper: number[] = [];
	private readonly starts: number[] = [0];
	private readonly columns: number[] = [];
	private readonly values: number[] = [];

	/** Terms whose column is null are left out. */
	add(name: string, lower: number, upper: number, terms: readonly Term[]): void {
		for (const [column, value] of terms) {
			if (column === null) continue;
			this.columns.push(column);
			this.values.push(value);
		}
		this.names.push(name);
		this.lower.push(lower);
		this.upper.push(upper);
		this.starts.push(this.columns.length);
	}

	arrays(): Pick<MipModel, 'rowLower' | 'rowUpper' | 'rowStarts' | 'columnIndices' | 'values'> {
		return {
			rowLower: Float64Array.from(this.lower),
			rowUpper: Float64Array.from(this.upper),
			rowStarts: Int32Array.from(this.starts),
			columnIndices: Int32Array.from(this.columns),
			values: Float64Array.from(this.values),
		};
	}
}
