/**
 * Lines of text in columns, two blanks apart, without trailing blanks.
 * @param rows the same number of cells in each
 * @param rightFrom columns from here on are aligned to the right
 */
export function columns(
	rows: readonly (readonly string[])[],
	rightFrom = Number.POSITIVE_INFINITY,
): string[] {
	const widths = (rows[0] ?? []).map((_, column) =>
		Math.max(...rows.map((row) => (row[column] ?? '').length)),
	);
	return rows.map((row) =>
		row
			.map((cell, column) => {
				const width = widths[column] ?? 0;
				return column < rightFrom ? cell.padEnd(width) : cell.padStart(width);
			})
			.join('  ')
			.trimEnd(),
	);
}
