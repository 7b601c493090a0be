import { UsageError } from '../../sim/domain/errors.ts';
import { didYouMean } from '../did-you-mean.ts';

/**
 * Reads recorded arrivals: a table with a header row, commas, no quotes, one arrival a row in order of time; other columns may stand beside.
 * Times are seconds, or date and time such as `2023-11-16 18:15:46.6805900`.
 * @param place name of the file in messages
 * @param column in which the times stand
 * @returns seconds since the first arrival
 * @throws UsageError E_ARRIVALS `file:line: field: expected X, got Y`
 */
export function readArrivals(text: string, place: string, column: string): readonly number[] {
	const [head = '', ...lines] = text.replace(/^\uFEFF/, '').split('\n');
	const header = cellsOf(head);
	const at = header.indexOf(column);
	if (at < 0) {
		const got = `${header.join(', ')}${didYouMean(column, header)}`;
		throw problem(`${place}:1`, column, 'a column of that name', got);
	}
	const times: number[] = [];
	lines.forEach((line, index) => {
		if (line.trim() === '') return;
		const where = `${place}:${index + 2}`;
		const cells = cellsOf(line);
		if (cells.length !== header.length)
			throw problem(where, 'the line', `${header.length} cells`, String(cells.length));
		const cell = cells[at] ?? '';
		const seconds = secondsOf(cell);
		if (seconds === null) throw problem(where, column, 'seconds, or a date and time', `'${cell}'`);
		if (seconds < (times.at(-1) ?? seconds))
			throw problem(where, column, 'a time no earlier than that of the line before', `'${cell}'`);
		times.push(seconds);
	});
	const [first] = times;
	if (first === undefined) throw problem(`${place}:2`, column, 'an arrival a line', 'none');
	return times.map((seconds) => seconds - first);
}

const cellsOf = (line: string): readonly string[] => line.trim().split(',');

/** @returns null for anything else */
function secondsOf(cell: string): number | null {
	if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell)) {
		const seconds = Number(cell);
		return Number.isFinite(seconds) ? seconds : null;
	}
	const [, day, time, fraction = ''] =
		/^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|[+-]00:00)?$/.exec(cell) ?? [];
	const milliseconds = Date.parse(`${day}T${time}Z`);
	return Number.isNaN(milliseconds) ? null : milliseconds / 1000 + Number(`0${fraction}`);
}

const problem = (place: string, field: string, expected: string, got: string): UsageError =>
	new UsageError('E_ARRIVALS', `${place}: ${field}: expected ${expected}, got ${got}`);
