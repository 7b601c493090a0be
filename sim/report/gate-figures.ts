/** What the gate of one scheduler knew and did, over the seeds of a row, in words: the cells of the report's table of gates. */
import type { CutTokens, GateEvidence } from '../domain/calibration.ts';
import { auditText, percent, toldEvidence } from './gate-text.ts';
import type { Summary } from './summary.ts';

export interface GateFigures {
	/** What it was learned and tested on. */
	readonly pastQueries: string;
	/** Share of the tested past queries whose vote stands. */
	readonly skipped: string;
	readonly cuts: string;
	/** Whether it spends its budget, and what that is, or why it does not. */
	readonly spends: string;
	/** Past queries that would do where it spends nothing; `-` where it spends, and where nobody can say. */
	readonly wouldDo: string;
	/** What audits found; `-` without any. */
	readonly audits: string;
}

/** @returns null when no run has a gate that knows its price, or none that is worth telling */
export function gateFigures(runs: readonly Summary[]): GateFigures | null {
	const known = runs.flatMap((run) => toldEvidence(run) ?? []);
	if (known.length === 0) return null;
	return {
		pastQueries: `${distinct(known.map(({ source }) => source))}: ${span(known.map(({ learned }) => learned))} learned from, ${span(known.map(({ tested }) => tested))} tested`,
		skipped: `${span(known.map(({ skippedShare }) => Number((100 * skippedShare).toFixed(1))))} %`,
		cuts: cutsText(known),
		spends: spendsText(known),
		wouldDo: span(known.flatMap(({ queriesNeeded }) => queriesNeeded ?? [])),
		audits: auditsText(known),
	};
}

/** `reasoning at 9000 to 12000, instruct at 400 (in 3 of 10 runs) tokens`. */
function cutsText(known: readonly GateEvidence[]): string {
	const cut = WHO_IS_CUT.flatMap((who) => {
		const tokens = known.flatMap(({ cutTokens }) => cutTokens[who] ?? []);
		return tokens.length === 0 ? [] : [`${who} at ${span(tokens)}${share(tokens.length, known.length)}`];
	});
	return cut.length === 0 ? 'none' : `${cut.join(', ')} tokens`;
}

const WHO_IS_CUT: readonly (keyof CutTokens)[] = ['reasoning', 'instruct', 'aggregator'];

function spendsText(known: readonly GateEvidence[]): string {
	const notes = known.flatMap(({ note }) => note ?? []);
	const [first] = notes;
	if (first !== undefined) return `no${share(notes.length, known.length)}: ${first}`;
	const budgets = known.map(
		({ budgetPoints, confidence }) => `${budgetPoints} points at ${percent(confidence)}`,
	);
	return `yes: ${distinct(budgets)}`;
}

/** Of several runs the sums; what was expected is a bound of each. */
function auditsText(known: readonly GateEvidence[]): string {
	const audits = known.flatMap(({ audit }) => audit ?? []);
	const [first] = audits;
	if (first === undefined) return '-';
	if (audits.length === 1) return auditText(first);
	const sum = (field: 'audited' | 'disagreed'): number =>
		audits.reduce((total, audit) => total + audit[field], 0);
	if (sum('audited') === 0) return auditText(first);
	const expected = span(audits.map(({ expectedShare }) => Number((100 * expectedShare).toFixed(1))));
	const alarms = audits.filter(({ drifted }) => drifted).length;
	const found =
		alarms === 0
			? 'no alarm'
			: `alarm in ${alarms} of ${audits.length} runs, from then on nothing was skipped or cut`;
	return `${sum('disagreed')} of ${sum('audited')} disagree, at most ${expected} % expected: ${found}`;
}

const share = (some: number, all: number): string => (some === all ? '' : ` (in ${some} of ${all} runs)`);

/** `3`, `3 to 5`, or `-` without any. */
function span(values: readonly number[]): string {
	if (values.length === 0) return '-';
	const [least, most] = [Math.min(...values), Math.max(...values)];
	return least === most ? String(least) : `${least} to ${most}`;
}

const distinct = (texts: readonly string[]): string => [...new Set(texts)].join('; ');
