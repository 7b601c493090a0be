/** The part of a report that says what gates knew beforehand and what their audits found. */
import { type Comparison, rowKey, shownScheduler } from '../comparison.ts';
import { type GateFigures, gateFigures } from '../gate-figures.ts';
import type { Summary } from '../summary.ts';
import { type Column, element, type Markup, tableOf } from './markup.ts';

/** A row for every scheduler and gate that spends an accuracy budget or watches over votes; nothing where none does. */
export function gates({ rows }: Comparison, summaries: readonly Summary[]): readonly Markup[] {
	const lines = rows.flatMap((row) => {
		const figures = gateFigures(summaries.filter((summary) => rowKey(summary) === rowKey(row)));
		return figures === null ? [] : [{ names: [shownScheduler(row), row.gate], figures }];
	});
	if (lines.length === 0) return [];
	const shown = GATE_COLUMNS.filter(({ of }) => lines.some(({ figures }) => figures[of] !== '-'));
	return [
		element('h2', {}, 'Gates'),
		tableOf(
			[{ head: 'scheduler' }, { head: 'gate' }, ...shown],
			lines.map(({ names, figures }) => [...names, ...shown.map(({ of }) => figures[of])]),
		),
		element('p', {}, element('small', {}, GATES_NOTE)),
	];
}

/** Without those that would be empty in every row. */
const GATE_COLUMNS: readonly (Column & { readonly of: keyof GateFigures })[] = [
	{ head: 'skips the aggregator (of past queries)', of: 'skipped', number: true },
	{ head: 'cuts outputs', of: 'cuts', wraps: true },
	{ head: 'spends its accuracy budget', of: 'spends', wraps: true },
	{ head: 'would do (past queries)', of: 'wouldDo', number: true },
	{ head: 'audits: aggregator against votes', of: 'audits', wraps: true },
	{ head: 'past queries', of: 'pastQueries', wraps: true },
];

const GATES_NOTE =
	'What a gate may do was learned and tested on past queries before the run, so shares are of those; what it left to the aggregator in the run stands in the results. One that spends nothing of its budget keeps to its own rule, if it has one, and cuts nothing. Audits send some of the queries that would skip the aggregator there all the same. Where seeds differ, the least and the most are given.';
