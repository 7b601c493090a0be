/** Rows of comparisons as Markdown. */
import type { ComparisonRow } from '../../sim/report/comparison.ts';
import type { Estimate } from '../../sim/report/student-t.ts';
import { range, signed, signedRange } from '../../sim/report/tables.ts';

interface Column {
	readonly head: string;
	/** Default: numbers, to the right. */
	readonly left?: true;
	readonly cell: (row: ComparisonRow) => string;
}

const COLUMNS: readonly Column[] = [
	{ head: 'policy', left: true, cell: ({ scheduler }) => scheduler },
	{ head: 'gate', left: true, cell: ({ gate }) => gate },
	{ head: 'makespan s', cell: ({ makespanSeconds }) => seconds(makespanSeconds) },
	{ head: 'expert s', cell: ({ expertSeconds }) => seconds(expertSeconds) },
	{ head: 'aggregator s', cell: ({ aggregatorSeconds }) => seconds(aggregatorSeconds) },
	{
		head: 'speed-up',
		cell: ({ speedup }) => (speedup === null ? '-' : range(speedup, 2)),
	},
	{
		head: 'times bound',
		cell: ({ timesBound }) => timesBound?.mean.toFixed(2) ?? '-',
	},
	{
		head: 'aggregated',
		cell: ({ aggregatedQueries }) => aggregatedQueries.mean.toFixed(0),
	},
	{
		head: 'given up',
		cell: ({ cancelledCalls, neverStartedCalls }) =>
			`${cancelledCalls.mean.toFixed(0)} + ${neverStartedCalls.mean.toFixed(0)}`,
	},
	{ head: 'cut', cell: ({ cutCalls }) => cutCalls.mean.toFixed(0) },
	{
		head: 'accuracy, points',
		cell: ({ accuracyDeltaPoints }) => signedRange(accuracyDeltaPoints, 2),
	},
	{
		head: 'promised',
		cell: ({ lossBoundPoints }) => (lossBoundPoints === null ? '-' : signed(-lossBoundPoints)),
	},
];

/** Everything, a line per policy and gate. */
export const fullTable = (rows: readonly ComparisonRow[]): readonly string[] => table(COLUMNS, rows);

/** The same for rows of several workloads. @param title of the first column, and what it holds */
export const namedTable = (
	title: string,
	rows: readonly { readonly name: string; readonly row: ComparisonRow }[],
): readonly string[] => {
	const names = new Map(rows.map(({ name, row }) => [row, name]));
	const first: Column = { head: title, left: true, cell: (row) => names.get(row) ?? '' };
	return table(
		[first, ...COLUMNS],
		rows.map(({ row }) => row),
	);
};

function table(columns: readonly Column[], rows: readonly ComparisonRow[]): readonly string[] {
	const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
	return [
		line(columns.map(({ head }) => head)),
		line(columns.map(({ left }) => (left ? '---' : '---:'))),
		...rows.map((row) => line(columns.map(({ cell }) => cell(row)))),
	];
}

const seconds = ({ mean }: Estimate): string => mean.toFixed(0);
