/** The parts of a report: headline, results, charts, idle time, plans. */
import type { PlannedSession } from '../../domain/plan.ts';
import type { RunStarted } from '../../domain/run-log.ts';
import { CAUSE_COLOURS, CAUSE_NAMES, type Chart } from '../charts/chart.ts';
import {
	type Comparison,
	type ComparisonRow,
	KNOWS_LENGTHS_NOTE,
	rowKey,
	shownScheduler,
} from '../comparison.ts';
import { IDLE_CAUSES, type IdleCause } from '../gpu-time.ts';
import type { RunData } from '../run-data.ts';
import type { Estimate } from '../student-t.ts';
import type { Summary } from '../summary.ts';
import { aboveBound, givenUpCalls, planText, promiseText, range, signed, verdictText } from '../tables.ts';
import { type Column, element, type Markup, tableOf } from './markup.ts';

/** What was run. */
export function setting(
	summaries: readonly Summary[],
	comparison: Comparison,
	runs: readonly RunData[],
): Markup {
	const start = runs
		.flatMap(({ records }) => records.slice(0, 1))
		.find((record): record is RunStarted => record.type === 'run-started');
	const count = (values: readonly string[], word: string): string => {
		const distinct = [...new Set(values)];
		return distinct.length === 1
			? `${word} ${distinct[0]}`
			: `${distinct.length} ${word}s (${distinct.join(', ')})`;
	};
	const parts = [
		count(summaries.map(shownScheduler), 'scheduler'),
		count(
			summaries.map(({ gate }) => gate),
			'gate',
		),
		count(comparison.seeds.map(String), 'seed'),
	];
	if (start !== undefined) {
		const types = count(
			start.gpus.map(({ type }) => type),
			'type',
		).replace(/^type /, '');
		parts.push(
			`${start.queryCount} queries`,
			`${start.gpus.length} GPUs (${types})`,
			`${start.world} with mosaic ${start.version}`,
		);
	}
	return element('p', { class: 'what' }, `${parts.join('; ')}.`);
}

/** The result in one sentence; names no winner when the interval covers 1. */
export function finding(comparison: Comparison): Markup {
	const rows = comparison.rows.toSorted((a, b) => a.makespanSeconds.mean - b.makespanSeconds.mean);
	const best = rows[0] as ComparisonRow;
	const makespan = `${best.makespanSeconds.mean.toFixed(1)} s`;
	const sentence = (): string => {
		if (comparison.rows.length === 1) {
			const idle = best.idlePercent.mean.toFixed(0);
			return `The makespan is ${makespan}${overBound(best)}; the GPUs did not compute in ${idle} % of their time.`;
		}
		const name = `${shownScheduler(best)} / ${best.gate}`;
		if (best.wins === true && best.speedup !== null)
			return `${name} has the shortest mean makespan, ${makespan}${overBound(best)}: ${range(best.speedup, 2)} times as fast as the baseline ${comparison.baseline.replace('/', ' / ')}.`;
		if (rowKey(best) === comparison.baseline)
			return `Nothing has a shorter mean makespan than the baseline ${name}, ${makespan}.`;
		const why =
			best.speedup !== null && best.speedup.low < best.speedup.high
				? 'its interval covers 1'
				: 'more seeds would be needed';
		return `${name} has the shortest mean makespan, ${makespan}, but no winner can be named: ${why}.`;
	};
	return element('p', { class: 'finding' }, sentence());
}

const overBound = ({ timesBound }: ComparisonRow): string =>
	timesBound === null ? '' : `, ${timesBound.mean.toFixed(2)} times its lower bound`;

/** Runs that must not be read as complete or reproducible. */
export function warnings(summaries: readonly Summary[]): readonly Markup[] {
	const named = (those: readonly Summary[]): string =>
		those.map((one) => `${rowKey(one)} seed ${one.seed}`).join(', ');
	const interrupted = summaries.filter(({ status }) => status === 'interrupted');
	const moving = summaries.filter(({ reproducible }) => !reproducible);
	return [
		...(interrupted.length > 0
			? [`Interrupted before the end, so the figures cover a part: ${named(interrupted)}.`]
			: []),
		...(moving.length > 0
			? [`A time limit stopped the solver, so another machine may get another plan: ${named(moving)}.`]
			: []),
	].map((text) => element('p', { class: 'warning' }, text));
}

/** Left out in a batch, where latencies say little beside the makespan. */
const LATENCY_HEAD = 'p95 latency (s)';
/** Left out where nobody gives calls up. */
const CANCELLED_HEAD = 'cancelled (calls)';

const RESULT_COLUMNS: readonly Column[] = [
	{ head: 'scheduler' },
	{ head: 'gate' },
	{ head: 'makespan (s)', number: true },
	{ head: LATENCY_HEAD, number: true },
	{ head: 'speed-up', number: true },
	{ head: 'verdict' },
	{ head: 'aggregated (queries)', number: true },
	{ head: CANCELLED_HEAD, number: true },
	{ head: 'experts (s)', number: true },
	{ head: 'aggregator (s)', number: true },
	{ head: 'GPU time idle (%)', number: true },
	{ head: 'above lower bound', number: true },
	{ head: 'accuracy (%)', number: true },
	{ head: 'accuracy change (points)', number: true },
];

export function results(comparison: Comparison, summaries: readonly Summary[]): Markup {
	const cells = comparison.rows.map((row) => {
		const mine = summaries.filter((summary) => rowKey(summary) === rowKey(row));
		return [
			shownScheduler(row),
			row.gate,
			stacked(row.makespanSeconds, 1),
			row.latencyP95Seconds === null ? '-' : stacked(row.latencyP95Seconds, 1),
			row.speedup === null ? '-' : stacked(row.speedup, 2),
			verdictText(row, comparison.baseline),
			row.aggregatedQueries.mean.toFixed(0),
			givenUpCalls(row).toFixed(0),
			row.expertSeconds.mean.toFixed(1),
			row.aggregatorSeconds.mean.toFixed(1),
			row.idlePercent.mean.toFixed(1),
			aboveBound(row),
			meanAccuracy(mine),
			accuracyCell(row),
		];
	});
	const shortest = Math.min(...comparison.rows.map((row) => row.makespanSeconds.mean));
	const leftOut = [
		...(comparison.rows.every(({ latencyP95Seconds }) => latencyP95Seconds === null) ? [LATENCY_HEAD] : []),
		...(comparison.rows.every((row) => givenUpCalls(row) === 0) ? [CANCELLED_HEAD] : []),
	];
	const isShown = (column: number): boolean => !leftOut.includes(RESULT_COLUMNS[column]?.head ?? '');
	return tableOf(
		RESULT_COLUMNS.filter((_, column) => isShown(column)),
		cells.map((line) => line.filter((_, column) => isShown(column))),
		cells.length === 1 ? -1 : comparison.rows.findIndex((row) => row.makespanSeconds.mean === shortest),
	);
}

/** The change with its interval, and below it what the gate promised. */
function accuracyCell(row: ComparisonRow): string | Markup {
	const { accuracyDeltaPoints } = row;
	const promised = promiseText(row);
	const lines = accuracyDeltaPoints === null ? ['-'] : withInterval(accuracyDeltaPoints, signed);
	return belowEachOther(promised === null ? lines : [...lines, promised]);
}

/** The mean, and below it the interval where there is one. */
const stacked = (value: Estimate, digits: number): string | Markup =>
	belowEachOther(withInterval(value, (each) => each.toFixed(digits)));

function withInterval({ mean, low, high }: Estimate, shown: (value: number) => string): readonly string[] {
	const [middle = '', from, to] = [mean, low, high].map(shown);
	return low === high ? [middle] : [middle, `${from} to ${to}`];
}

/** The first as large as other cells, the others small. */
function belowEachOther([first = '', ...others]: readonly string[]): string | Markup {
	if (others.length === 0) return first;
	return { html: first + others.map((text) => element('small', {}, text).html).join('') };
}

/** What the table of results means. */
export const resultsNote = ({ rows }: Comparison): string =>
	rows.some(({ knowsLengths }) => knowsLengths) ? `${KNOWS_LENGTHS_NOTE}. ${RESULTS_NOTE}` : RESULTS_NOTE;

const RESULTS_NOTE =
	'Mean over the seeds, with the 95 % interval below it. Speed-up compares run with run of the same seed and the same draws (geometric mean, Student t on its logarithm) against the baseline; a verdict is given only when its interval leaves out 1. The lower bound is a time that no schedule can beat that settles every query under the same gate and the same limits, whatever it cancels or moves. Cancelled are calls that were given up, begun or not. Accuracy change is against aggregating every query on the same draws.';

function meanAccuracy(summaries: readonly Summary[]): string {
	const known = summaries.flatMap(({ accuracy }) => (accuracy.value === null ? [] : [accuracy.value]));
	if (known.length === 0) return '-';
	return ((100 * known.reduce((sum, value) => sum + value, 0)) / known.length).toFixed(1);
}

export function figureOf({ name, title, note }: Chart, ...more: readonly Markup[]): Markup {
	return element(
		'figure',
		{},
		element('h3', {}, title),
		element('div', { class: 'chart', 'data-chart': `chart-${name}` }),
		element('figcaption', {}, note),
		...more,
	);
}

const CAUSE_MEANINGS: Readonly<Record<IdleCause, string>> = {
	loading: 'the weights of a model are being put on the GPU',
	switching: 'an engine falls asleep, wakes up or stops',
	starved: 'other GPUs still work, nothing is left to run on this one',
	barrier:
		'work exists, but a stage must end elsewhere first, an aggregator call waits to be sent, or the plan is being made',
	memory: 'work exists, but its model does not fit beside what is there',
	noDemand: 'no query that has arrived is unfinished',
	down: 'the engine failed and nothing has taken its place',
};

/** What each cause of idle time means. */
export function causeLegend(): Markup {
	return element(
		'dl',
		{},
		...IDLE_CAUSES.flatMap((cause) => [
			element(
				'dt',
				{},
				element('span', { class: 'swatch', style: `background:${CAUSE_COLOURS[cause]}` }),
				CAUSE_NAMES[cause].replace(/ \(.*/, ''),
			),
			element('dd', {}, CAUSE_MEANINGS[cause]),
		]),
	);
}

/** Seconds per GPU and cause of one run. */
export function idleTable(label: string, summary: Summary): Markup {
	const seconds = { number: true };
	const table = tableOf(
		[
			{ head: 'GPU' },
			{ head: 'wall (s)', ...seconds },
			{ head: 'computing (s)', ...seconds },
			...IDLE_CAUSES.map((cause) => ({ head: `${cause} (s)`, ...seconds })),
		],
		summary.gpus.map(({ gpu, wallSeconds, busySeconds, idle }) => [
			gpu,
			wallSeconds.toFixed(1),
			busySeconds.toFixed(1),
			...IDLE_CAUSES.map((cause) => idle[cause].toFixed(1)),
		]),
	);
	return element('details', { open: '' }, element('summary', {}, label), table);
}

/** The first plan of one run, session by session, with its evidence. */
export function planTable(run: RunData, summary: Summary): Markup {
	const made = run.records.find((record) => record.type === 'plan-made');
	if (made === undefined || summary.plan === null) return element('p', {}, `${run.label}: no plan was made.`);
	const sessions = made.plan.sessions.toSorted((a, b) => a.phase - b.phase);
	const table = tableOf(
		[
			{ head: 'phase', number: true },
			{ head: 'worker' },
			{ head: 'model' },
			{ head: 'role' },
			{ head: 'calls', number: true },
		],
		sessions.map((session: PlannedSession) => [
			String(session.phase),
			session.gpus.join(' + '),
			session.model,
			session.role,
			session.calls === null ? 'as gated' : String(session.calls),
		]),
	);
	return element(
		'details',
		{},
		element('summary', {}, `${run.label}: `, element('small', {}, planText(summary.plan))),
		table,
	);
}
