/** Results as text for a terminal: plain columns without colour, so that they can be piped and compared. */
import Table from 'cli-table3';
import {
	type Comparison,
	type ComparisonRow,
	KNOWS_LENGTHS_NOTE,
	notesOf,
	rowKey,
	shownScheduler,
} from './comparison.ts';
import { auditText, gateText, promisedPoints, toldEvidence } from './gate-text.ts';
import { IDLE_CAUSES } from './gpu-time.ts';
import type { Estimate } from './student-t.ts';
import { bindingPart, idlePercent, type Summary, timesBound } from './summary.ts';

/** One line per scheduler and gate. Intervals in brackets appear where several seeds were run. */
export function comparisonTable({ rows, baseline }: Pick<Comparison, 'rows' | 'baseline'>): string {
	const oneGate = new Set(rows.map(({ gate }) => gate)).size === 1;
	const isBatch = rows.every(({ latencyP95Seconds }) => latencyP95Seconds === null);
	const head = [
		'scheduler',
		'gate',
		'makespan s',
		'p95 latency s',
		'expert s',
		'aggregator s',
		'speed-up',
		'aggregated',
		'cancelled',
		'cut',
		'idle %',
		'above bound',
		'accuracy points',
		'verdict',
	];
	const cells = rows.map((row) => [
		shownScheduler(row),
		row.gate,
		range(row.makespanSeconds, 1),
		row.latencyP95Seconds === null ? '-' : range(row.latencyP95Seconds, 1),
		row.expertSeconds.mean.toFixed(1),
		row.aggregatorSeconds.mean.toFixed(1),
		row.speedup === null ? '-' : range(row.speedup, 2),
		row.aggregatedQueries.mean.toFixed(0),
		givenUpCalls(row).toFixed(0),
		row.cutCalls.mean.toFixed(0),
		row.idlePercent.mean.toFixed(1),
		aboveBound(row),
		accuracyChange(row),
		verdictText(row, baseline),
	]);
	// A single gate is said once, above the table, by whoever prints it; the column would only widen every line. Latencies of a batch say
	// little beside its makespan.
	const leftOut = [
		...(oneGate ? ['gate'] : []),
		...(isBatch ? ['p95 latency s'] : []),
		...(rows.every((row) => givenUpCalls(row) === 0) ? ['cancelled'] : []),
		...(rows.every(({ cutCalls }) => cutCalls.mean === 0) ? ['cut'] : []),
	];
	const keep = (_: string, column: number): boolean => !leftOut.includes(head[column] ?? '');
	const table = plainTable(
		head.filter(keep),
		cells.map((line) => line.filter(keep)),
		oneGate ? 1 : 2,
	);
	const notes = notesOf(rows);
	return notes.length === 0 ? table : `${table}\n\n${notes.join('\n')}`;
}

/** One run: headline figures, then idle time per GPU by cause. */
export function summaryTable(summary: Summary): string {
	const { makespanSeconds, stages, calls, tokens, queries, gate, gateEvidence, plan } = summary;
	const facts: [string, string][] = [
		['makespan', `${makespanSeconds.toFixed(1)} s`],
		['lower bound', boundText(summary)],
		['expert stage', `${stages.expert.seconds.toFixed(1)} s`],
		['aggregator stage', `${stages.aggregator.seconds.toFixed(1)} s`],
		[
			'calls',
			`${calls.expert} expert, ${calls.aggregator} aggregator, ${calls.cancelled} cancelled, ${calls.neverStarted} never started, ${calls.failed} failed` +
				(calls.cut > 0 ? `; ${calls.cut} cut short` : '') +
				(calls.returned > 0 ? `; ${calls.returned} times given back by a replica that failed` : ''),
		],
		['tokens', tokensText(tokens)],
		['queries', queriesText(summary)],
		['latency p50 / p95 / p99', `${latencies(queries)} s`],
		['accuracy', accuracyText(summary)],
		['GPU time idle', `${idlePercent(summary).toFixed(1)} %`],
	];
	const told = toldEvidence(summary);
	if (told !== null) facts.push(['gate', `${gate}: ${gateText(told)}`]);
	const audit = gateEvidence?.audit ?? null;
	if (audit !== null) facts.push(['audit', auditText(audit)]);
	if (plan !== null) facts.push(['plan', planText(plan)]);
	if (summary.knowsLengths)
		facts.push(['scheduler', `${shownScheduler(summary)}: ${KNOWS_LENGTHS_NOTE.slice(2)}`]);
	const width = Math.max(...facts.map(([name]) => name.length));
	const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
	return `${lines.join('\n')}\n\n${gpuTable(summary)}`;
}

/** Seconds of every GPU: wall, busy, and idle by cause. */
export function gpuTable(summary: Summary): string {
	return plainTable(
		['gpu', 'wall s', 'busy s', ...IDLE_CAUSES.map((cause) => `${cause} s`)],
		summary.gpus.map(({ gpu, wallSeconds, busySeconds, idle }) => [
			gpu,
			wallSeconds.toFixed(1),
			busySeconds.toFixed(1),
			...IDLE_CAUSES.map((cause) => idle[cause].toFixed(1)),
		]),
		1,
	);
}

/** `2635.2` or, where there is an interval, `2635.2 (2601.0 to 2669.4)`. */
export const range = (value: Estimate, digits: number): string =>
	withInterval(value, (each) => each.toFixed(digits));

/** The same of a change: `+3.1 (+1.2 to +5.0)`; `-` where it is not known. */
export const signedRange = (value: Estimate | null, digits: number): string =>
	value === null ? '-' : withInterval(value, (each) => signedTo(each, digits));

function withInterval({ mean, low, high }: Estimate, shown: (value: number) => string): string {
	return low === high ? shown(mean) : `${shown(mean)} (${shown(low)} to ${shown(high)})`;
}

/** Calls that were given up, begun or not, mean over the seeds. */
export const givenUpCalls = ({ cancelledCalls, neverStartedCalls }: ComparisonRow): number =>
	cancelledCalls.mean + neverStartedCalls.mean;

/** How far makespans lie above their lower bounds, mean over the seeds. */
export function aboveBound({ timesBound }: ComparisonRow): string {
	return timesBound === null ? '-' : `${(100 * (timesBound.mean - 1)).toFixed(0)} %`;
}

/** Lower bound of a run, what it comes from, and how far the run lies from it. */
export function boundText(summary: Summary): string {
	const { makespanSeconds, lowerBoundSeconds } = summary;
	if (lowerBoundSeconds === null) return 'not computed';
	const part = bindingPart(summary);
	const times = timesBound(makespanSeconds, lowerBoundSeconds);
	const distance = times === null ? '' : `; the makespan is ${times.toFixed(2)} times that`;
	return `${lowerBoundSeconds.toFixed(1)} s${part === null ? '' : ` (${part})`}${distance}`;
}

/** Change of accuracy in points, and where the gate promised how low it may be, that: `+0.12 (-0.30 to +0.54), promised -0.10`. */
function accuracyChange(row: ComparisonRow): string {
	const { accuracyDeltaPoints } = row;
	const change = signedRange(accuracyDeltaPoints, 2);
	const promised = promiseText(row);
	return promised === null ? change : `${change}, ${promised}`;
}

/** `promised -0.10`; null where the gate promised nothing. */
export const promiseText = ({ lossBoundPoints }: ComparisonRow): string | null =>
	lossBoundPoints === null ? null : `promised ${signed(-lossBoundPoints)}`;

/** Which way the row differs from the baseline, in words. @param baseline `scheduler/gate`, where the row may be that itself */
export function verdictText(row: ComparisonRow, baseline?: string): string {
	const { wins, speedup } = row;
	if (rowKey(row) === baseline) return '= baseline';
	if (wins !== null) return wins ? 'faster' : 'slower';
	if (speedup === null) return 'no common seed';
	if (speedup.low < speedup.high) return 'no clear difference';
	return speedup.mean === 1 ? 'same makespan' : 'one seed only';
}

/** A number with its sign: `+0.24`, `-1.00`, `0.00`. */
export const signed = (value: number): string => signedTo(value, 2);

/** The same with so many digits. */
export function signedTo(value: number, digits: number): string {
	const text = value.toFixed(digits);
	if (Number(text) === 0) return text.replace('-', '');
	return value > 0 ? `+${text}` : text;
}

/** Status, objective, bound and gap of a plan in one line, with who stepped in and what stopped the solver. */
export function planText(plan: NonNullable<Summary['plan']>): string {
	const bound = plan.boundSeconds === null ? 'no bound' : `bound ${plan.boundSeconds.toFixed(1)} s`;
	const gap = plan.gap === null ? '' : `, gap ${(100 * plan.gap).toFixed(1)} %`;
	const fallback = plan.fallback === null ? '' : `, fell back to ${plan.fallback}`;
	const stopped = plan.stoppedBy === undefined ? '' : `; ${SOLVER_STOPS[plan.stoppedBy]}: not reproducible`;
	return `${plan.status}, objective ${plan.objectiveSeconds.toFixed(1)} s, ${bound}${gap}${fallback}${stopped}`;
}

const SOLVER_STOPS = {
	time: 'the solver ran out of time (plan.timeLimitSeconds)',
	failed: 'the solver failed',
} as const;

/** Those of the calls that finished, and what was generated for nothing. */
function tokensText({ prompt, output, wasted }: Summary['tokens']): string {
	const inVain =
		wasted > 0 ? `; ${wasted} generated in vain, by calls that were cancelled or given back` : '';
	return `${prompt} prompt, ${output} output${inVain}`;
}

/** Who settled them; an aggregator that was cut has run, and then the vote stands. */
function queriesText({ calls, queries: { total, settledByVote, aggregated } }: Summary): string {
	const cut = Math.max(0, calls.aggregator - aggregated);
	const inVain = cut === 0 ? '' : ` (${cut} of them after their aggregator was cut)`;
	return `${total}: ${settledByVote} by vote${inVain}, ${aggregated} aggregated`;
}

function latencies({ p50Seconds, p95Seconds, p99Seconds }: Summary['queries']): string {
	return [p50Seconds, p95Seconds, p99Seconds].map((value) => value?.toFixed(1) ?? '-').join(' / ');
}

function accuracyText(summary: Summary): string {
	const { value, deltaPoints } = summary.accuracy;
	if (value === null) return 'unknown';
	const delta = deltaPoints === null ? '' : `, ${signed(deltaPoints)} points against aggregating everything`;
	const promised = promisedPoints(summary);
	const bound =
		promised === null
			? ''
			: `; the gate promised ${signed(-promised)} at worst, as a mean over many such queries`;
	return `${(100 * value).toFixed(1)} %${delta}${bound}`;
}

/** Columns from `firstNumber` on are right-aligned, that of verdicts excepted. */
export function plainTable(
	head: readonly string[],
	rows: readonly (readonly string[])[],
	firstNumber: number,
): string {
	const table = new Table({
		head: [...head],
		chars: NO_BORDERS,
		colAligns: head.map((name, column) => (column < firstNumber || name === 'verdict' ? 'left' : 'right')),
		style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2, compact: true },
	});
	for (const row of rows) table.push([...row]);
	return table
		.toString()
		.split('\n')
		.map((line) => line.trimEnd())
		.join('\n');
}

const NO_BORDERS = {
	top: '',
	'top-mid': '',
	'top-left': '',
	'top-right': '',
	bottom: '',
	'bottom-mid': '',
	'bottom-left': '',
	'bottom-right': '',
	left: '',
	'left-mid': '',
	mid: '',
	'mid-mid': '',
	right: '',
	'right-mid': '',
	middle: '',
};
