/** queries.csv and calls.csv: one row per query or call of a run, from its log. RFC 4180; times in seconds from the start. */
import type { CallId, QueryId } from '../domain/ids.ts';
import type { CallDispatched, QueryArrived, QuerySettled, RunRecord } from '../domain/run-log.ts';
import { secondsFromUs, type TimeUs } from '../domain/units.ts';

type Cell = string | number | boolean | null;

const QUERY_COLUMNS = [
	'query',
	'task',
	'models',
	'arrivalSeconds',
	'settledSeconds',
	'latencySeconds',
	'settledBy',
	'answer',
	'correct',
	'aggregateAllCorrect',
] as const;

const CALL_COLUMNS = [
	'call',
	'query',
	'role',
	'model',
	'replica',
	'status',
	'dispatchedSeconds',
	'startedSeconds',
	'firstTokenSeconds',
	'endedSeconds',
	'promptTokens',
	'outputTokens',
	'cachedPromptTokens',
	'recomputedTokens',
	'preemptions',
	'finishReason',
	'answer',
	'reason',
	'attempts',
] as const;

type Row<Columns extends readonly string[]> = Record<Columns[number], Cell>;

/** In order of arrival. Cells of a query that has not settled are empty; `models` holds one name per slot. */
export function queriesCsv(records: Iterable<RunRecord>): string {
	const arrived = new Map<QueryId, QueryArrived>();
	const settled = new Map<QueryId, QuerySettled>();
	for (const record of records) {
		if (record.type === 'query-arrived') arrived.set(record.query, record);
		else if (record.type === 'query-settled') settled.set(record.query, record);
	}
	const rows = [...arrived.values()].map((query): Row<typeof QUERY_COLUMNS> => {
		const end = settled.get(query.query);
		return {
			query: query.query,
			task: query.task,
			models: query.slots.join(' '),
			arrivalSeconds: secondsFromUs(query.timeUs),
			settledSeconds: secondsOrNull(end?.timeUs),
			latencySeconds: secondsOrNull(end === undefined ? undefined : end.timeUs - query.timeUs),
			settledBy: end?.by ?? null,
			answer: end?.answer ?? null,
			correct: end?.correct ?? null,
			aggregateAllCorrect: end?.aggregateAllCorrect ?? null,
		};
	});
	return csv(QUERY_COLUMNS, rows);
}

/**
 * In order of first mention. `status` is `finished`, `cancelled`, `failed`, `open` (dispatched, not ended), `parked` or `returned` (its replica
 * failed; of both: and it was not dispatched again); `replica` is the last one that had it, `dispatchedSeconds` the last dispatch, `attempts`
 * counts them all. Calls that were never dispatched nor ended leave no record and no row.
 */
export function callsCsv(records: Iterable<RunRecord>): string {
	const dispatched = new Map<CallId, Dispatches>();
	const rows = new Map<CallId, Row<typeof CALL_COLUMNS>>();
	for (const record of records) {
		switch (record.type) {
			case 'call-dispatched':
				dispatched.set(record.call, {
					last: record,
					count: 1 + (dispatched.get(record.call)?.count ?? 0),
				});
				rows.set(record.call, {
					...EMPTY_CALL,
					...identity(record),
					status: 'open',
					...dispatch(dispatched.get(record.call)),
				});
				break;
			case 'call-migrated': {
				const row = rows.get(record.call);
				if (row !== undefined) row.replica = record.replica;
				break;
			}
			case 'call-parked':
				rows.set(record.call, {
					...EMPTY_CALL,
					...identity(record),
					...dispatch(dispatched.get(record.call)),
					status: 'parked',
					outputTokens: record.outputTokens,
				});
				break;
			case 'call-returned':
				rows.set(record.call, {
					...EMPTY_CALL,
					...identity(record),
					...dispatch(dispatched.get(record.call)),
					status: 'returned',
					endedSeconds: secondsFromUs(record.timeUs),
					outputTokens: record.outputTokens,
					reason: record.reason,
				});
				break;
			case 'call-finished':
				rows.set(record.call, {
					...EMPTY_CALL,
					...identity(record),
					...dispatch(dispatched.get(record.call)),
					status: 'finished',
					startedSeconds: secondsFromUs(record.startedUs),
					firstTokenSeconds: secondsFromUs(record.firstTokenUs),
					endedSeconds: secondsFromUs(record.timeUs),
					promptTokens: record.promptTokens,
					outputTokens: record.outputTokens,
					cachedPromptTokens: record.cachedPromptTokens,
					recomputedTokens: record.recomputedTokens,
					preemptions: record.preemptions,
					finishReason: record.finishReason,
					answer: record.answer,
				});
				break;
			case 'call-cancelled':
			case 'call-failed':
				rows.set(record.call, {
					...EMPTY_CALL,
					...identity(record),
					replica: record.replica ?? rows.get(record.call)?.replica ?? null,
					...dispatch(dispatched.get(record.call)),
					status: record.type === 'call-failed' ? 'failed' : 'cancelled',
					endedSeconds: secondsFromUs(record.timeUs),
					...(record.type === 'call-failed'
						? { reason: record.reason }
						: { outputTokens: record.outputTokens }),
				});
				break;
		}
	}
	return csv(CALL_COLUMNS, [...rows.values()]);
}

const EMPTY_CALL = Object.fromEntries(CALL_COLUMNS.map((column) => [column, null])) as Row<
	typeof CALL_COLUMNS
>;

type CallIdentity = Pick<Row<typeof CALL_COLUMNS>, 'call' | 'query' | 'role' | 'model' | 'replica'>;

const identity = ({ call, query, role, model, replica }: CallIdentity): CallIdentity => ({
	call,
	query,
	role,
	model,
	replica,
});

interface Dispatches {
	readonly last: CallDispatched;
	readonly count: number;
}

function dispatch(dispatches: Dispatches | undefined): Partial<Row<typeof CALL_COLUMNS>> {
	if (dispatches === undefined) return { attempts: 0 };
	const { last, count } = dispatches;
	return {
		dispatchedSeconds: secondsFromUs(last.timeUs),
		promptTokens: last.promptTokens,
		attempts: count,
	};
}

const secondsOrNull = (timeUs: TimeUs | undefined): number | null =>
	timeUs === undefined ? null : secondsFromUs(timeUs);

function csv<Columns extends readonly string[]>(columns: Columns, rows: readonly Row<Columns>[]): string {
	const lines = [columns.join(',')];
	for (const row of rows) lines.push(columns.map((column) => cell(row[column as Columns[number]])).join(','));
	return `${lines.join('\r\n')}\r\n`;
}

function cell(value: Cell): string {
	const text = value === null ? '' : String(value);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
