/** Results as text for a terminal: plain columns without colour, so that they can be piped and compared. */
import Table from 'cli-table3';
import type { ComparisonRow } from './comparison.ts';
import { IDLE_CAUSES } from './gpu-time.ts';
import type { Estimate } from './student-t.ts';
import { idlePercent, type Summary } from './summary.ts';

/** One line per scheduler and gate. Intervals in brackets appear where several seeds were run. */
export function comparisonTable(rows: readonly ComparisonRow[]): string {
	const oneGate = new Set(rows.map(({ gate }) => gate)).size === 1;
	const head = [
		'scheduler',
		'gate',
		'makespan s',
		'expert s',
		'aggregator s',
		'speed-up',
		'idle %',
		'above bound',
		'accuracy points',
		'verdict',
	];
	const cells = rows.map((row) => [
		row.scheduler,
		row.gate,
		range(row.makespanSeconds, 1),
		row.expertSeconds.mean.toFixed(1),
		row.aggregatorSeconds.mean.toFixed(1),
		row.speedup === null ? '-' : range(row.speedup, 2),
		row.idlePercent.mean.toFixed(1),
		aboveBound(row),
		row.accuracyDeltaPoints === null ? '-' : signed(row.accuracyDeltaPoints.mean),
		verdictText(row),
	]);
	// A single gate is said once, above the table, by whoever prints it; the column would only widen every line.
	const keep = (_: string, column: number): boolean => !(oneGate && column === 1);
	return text(
		head.filter(keep),
		cells.map((line) => line.filter(keep)),
		oneGate ? 1 : 2,
	);
}

/** One run: headline figures, then idle time per GPU by cause. */
export function summaryTable(summary: Summary): string {
	const { makespanSeconds, lowerBoundSeconds, stages, calls, queries, accuracy, plan } = summary;
	const facts: [string, string][] = [
		['makespan', `${makespanSeconds.toFixed(1)} s`],
		['lower bound', lowerBoundSeconds === null ? 'not computed' : `${lowerBoundSeconds.toFixed(1)} s`],
		['expert stage', `${stages.expert.seconds.toFixed(1)} s`],
		['aggregator stage', `${stages.aggregator.seconds.toFixed(1)} s`],
		[
			'calls',
			`${calls.expert} expert, ${calls.aggregator} aggregator, ${calls.cancelled} cancelled, ${calls.neverStarted} never started, ${calls.failed} failed` +
				(calls.returned > 0 ? `; ${calls.returned} times given back by a replica that failed` : ''),
		],
		['queries', `${queries.total}: ${queries.settledByVote} by vote, ${queries.aggregated} aggregated`],
		['latency p50 / p95 / p99', `${latencies(queries)} s`],
		['accuracy', accuracyText(accuracy)],
		['GPU time idle', `${idlePercent(summary).toFixed(1)} %`],
	];
	if (plan !== null) facts.push(['plan', planText(plan)]);
	const width = Math.max(...facts.map(([name]) => name.length));
	const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
	return `${lines.join('\n')}\n\n${gpuTable(summary)}`;
}

/** Seconds of every GPU: wall, busy, and idle by cause. */
export function gpuTable(summary: Summary): string {
	return text(
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
export function range({ mean, low, high }: Estimate, digits: number): string {
	const [middle, from, to] = [mean, low, high].map((value) => value.toFixed(digits));
	return low === high ? `${middle}` : `${middle} (${from} to ${to})`;
}

/** How far the mean makespan lies above the mean lower bound. */
export function aboveBound({ makespanSeconds, lowerBoundSeconds }: ComparisonRow): string {
	if (lowerBoundSeconds === null || lowerBoundSeconds.mean === 0) return '-';
	return `${(100 * (makespanSeconds.mean / lowerBoundSeconds.mean - 1)).toFixed(0)} %`;
}

/** Which way the row differs from the baseline, in words. */
export function verdictText({ wins, speedup }: ComparisonRow): string {
	if (wins !== null) return wins ? 'faster' : 'slower';
	if (speedup === null) return 'no common seed';
	if (speedup.low < speedup.high) return 'no clear difference';
	return speedup.mean === 1 ? '= baseline' : 'one seed only';
}

/** A number with its sign: `+0.24`, `-1.00`, `0.00`. */
export function signed(value: number): string {
	const digits = value.toFixed(2);
	return value > 0 && Number(digits) !== 0 ? `+${digits}` : digits.replace(/^-(0\.00)$/, '$1');
}

/** Status, objective, bound and gap of a plan in one line. */
export function planText(plan: NonNullable<Summary['plan']>): string {
	const bound = plan.boundSeconds === null ? 'no bound' : `bound ${plan.boundSeconds.toFixed(1)} s`;
	const gap = plan.gap === null ? '' : `, gap ${(100 * plan.gap).toFixed(1)} %`;
	const fallback = plan.fallback === null ? '' : `, fell back to ${plan.fallback}`;
	return `${plan.status}, objective ${plan.objectiveSeconds.toFixed(1)} s, ${bound}${gap}${fallback}`;
}

function latencies({ p50Seconds, p95Seconds, p99Seconds }: Summary['queries']): string {
	return [p50Seconds, p95Seconds, p99Seconds].map((value) => value?.toFixed(1) ?? '-').join(' / ');
}

function accuracyText({ value, deltaPoints }: Summary['accuracy']): string {
	if (value === null) return 'unknown';
	const delta = deltaPoints === null ? '' : `, ${signed(deltaPoints)} points against aggregating everything`;
	return `${(100 * value).toFixed(1)} %${delta}`;
}

/** Columns from `firstNumber` on are right-aligned. */
function text(head: readonly string[], rows: readonly (readonly string[])[], firstNumber: number): string {
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
