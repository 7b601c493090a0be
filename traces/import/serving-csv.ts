import { UsageError } from '../../sim/domain/errors.ts';
import type { MeasuredServing } from '../../sim/domain/measured-run.ts';

const COLUMNS = [
	'model',
	'gpu',
	'prompt_tokens',
	'output_tokens',
	'concurrent_requests',
	'ttft_ms',
	'tpot_ms',
] as const;

/** Whether a text is a table of serving measurements, by its header row. */
export const isServingTable = (text: string): boolean => {
	const header = headerOf(text);
	return header.includes('concurrent_requests') && header.includes('tpot_ms');
};

/**
 * Reads a table of steady serving, one measurement a row; columns in any order, others beside them, no quotes.
 * @param place name of the file in messages
 * @throws UsageError E_MEASURED_SERVING `file:line: field: expected X, got Y`
 */
export function readServingTable(text: string, place: string): readonly MeasuredServing[] {
	const header = headerOf(text);
	for (const column of COLUMNS) {
		if (!header.includes(column)) throw problem(`${place}:1`, column, 'a column of that name', 'none');
	}
	const rows = text.split('\n').flatMap((line, index) => {
		if (index === 0 || line.trim() === '') return [];
		return [parseRow(line.trim().split(','), header, `${place}:${index + 1}`)];
	});
	if (rows.length === 0) throw problem(`${place}:2`, 'the line', 'a measurement', 'nothing');
	return rows;
}

const headerOf = (text: string): readonly string[] => (text.split('\n', 1)[0] ?? '').trim().split(',');

function parseRow(cells: readonly string[], header: readonly string[], place: string): MeasuredServing {
	if (cells.length !== header.length)
		throw problem(place, 'the line', `${header.length} cells`, String(cells.length));
	const text = (column: (typeof COLUMNS)[number]): string => cells[header.indexOf(column)] ?? '';
	const number = (column: (typeof COLUMNS)[number], isWhole: boolean): number => {
		const value = text(column) === '' ? Number.NaN : Number(text(column));
		if (Number.isFinite(value) && value > 0 && (!isWhole || Number.isSafeInteger(value))) return value;
		const expected = isWhole ? 'a whole number of at least 1' : 'a number of more than 0';
		throw problem(place, column, expected, `'${text(column)}'`);
	};
	return {
		place,
		model: text('model'),
		gpu: text('gpu'),
		promptTokens: number('prompt_tokens', true),
		outputTokens: number('output_tokens', true),
		concurrency: number('concurrent_requests', true),
		ttftMs: number('ttft_ms', false),
		tpotMs: number('tpot_ms', false),
	};
}

const problem = (place: string, field: string, expected: string, got: string): UsageError =>
	new UsageError('E_MEASURED_SERVING', `${place}: ${field}: expected ${expected}, got ${got}`);
