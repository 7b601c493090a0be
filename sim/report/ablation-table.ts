import type { AblationRow } from './ablation.ts';
import { givenUpCalls, plainTable, range, signedRange, verdictText } from './tables.ts';

const HEAD = [
	'variant',
	'makespan s',
	'against all on %',
	'against none %',
	'accuracy points',
	'aggregated',
	'cancelled',
	'cut',
	'verdict',
];

/** One line per variant. The verdict is against everything on. */
export function ablationTable(rows: readonly AblationRow[]): string {
	return plainTable(HEAD, ablationCells(rows), 1);
}

/** The same as a Markdown table. */
export function ablationMarkdown(rows: readonly AblationRow[]): readonly string[] {
	const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
	const alignment = HEAD.map((head) => (head === 'variant' || head === 'verdict' ? '---' : '---:'));
	const cells = ablationCells(rows).map(([variant = '', ...others]) => [`\`${variant}\``, ...others]);
	return [line(HEAD), line(alignment), ...cells.map(line)];
}

function ablationCells(rows: readonly AblationRow[]): readonly (readonly string[])[] {
	return rows.map((row) => [
		row.scheduler,
		range(row.makespanSeconds, 1),
		row.kind === 'all' ? '-' : signedRange(row.changePercent, 1),
		row.kind === 'none' ? '-' : signedRange(row.changeFromNonePercent, 1),
		row.kind === 'all' ? '-' : signedRange(row.accuracyChangePoints, 2),
		row.aggregatedQueries.mean.toFixed(0),
		givenUpCalls(row).toFixed(0),
		row.cutCalls.mean.toFixed(0),
		row.kind === 'all' ? '= all on' : isSame(row) ? 'the very same' : verdictText(row),
	]);
}

/** An idea that had nothing to do: seed by seed the same makespan. */
const isSame = ({ speedup }: AblationRow): boolean =>
	speedup !== null && speedup.low === 1 && speedup.high === 1;
