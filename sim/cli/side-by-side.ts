import type { QueryId } from '../domain/ids.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { TimeUs } from '../domain/units.ts';
import {
	type ComparisonRow,
	compareSummaries,
	KNOWS_LENGTHS_NOTE,
	rowKey,
	shownScheduler,
} from '../report/comparison.ts';
import { idlePercent, type Summary, timesBound } from '../report/summary.ts';
import { columns } from './columns.ts';
import type { LoadedRun } from './load-run.ts';
import { signedPercent } from './percent.ts';

/** The document of `compare RUN RUN... --json`: the rows of a comparison, one per run, and what sets each apart from the first. */
export interface SideBySide {
	readonly format: 1;
	/** `scheduler/gate` of the first run, which the others are measured against. */
	readonly baseline: string;
	readonly seeds: readonly number[];
	readonly rows: readonly SideBySideRow[];
}

export interface SideBySideRow extends ComparisonRow {
	readonly run: string;
	readonly experiment: string;
	readonly seed: number;
	readonly world: LoadedRun['world'];
	readonly status: Summary['status'];
	/** Why this run cannot be measured against the first: every difference is then null, and so is `speedup`; else null. */
	readonly incomparable: string | null;
	/** Per figure, (this - first) / first, in percent; null where the first is 0 or one of the two unknown. */
	readonly differencePercent: Readonly<Record<string, number | null>>;
	/** Query by query, over queries settled in both runs; null when the runs are incomparable or a log is gone. */
	readonly pairedLatency: { readonly queries: number; readonly differencePercent: number } | null;
}

interface Figure {
	readonly key: string;
	readonly title: string;
	readonly digits: number;
	of(summary: Summary): number | null;
}

const FIGURES: readonly Figure[] = [
	{ key: 'makespanSeconds', title: 'makespan s', digits: 1, of: (run) => run.makespanSeconds },
	{ key: 'lowerBoundSeconds', title: 'lower bound s', digits: 1, of: (run) => run.lowerBoundSeconds },
	{
		key: 'timesBound',
		title: 'makespan / bound',
		digits: 2,
		of: (run) => timesBound(run.makespanSeconds, run.lowerBoundSeconds),
	},
	{ key: 'expertSeconds', title: 'expert stage s', digits: 1, of: (run) => run.stages.expert.seconds },
	{
		key: 'aggregatorSeconds',
		title: 'aggregator stage s',
		digits: 1,
		of: (run) => run.stages.aggregator.seconds,
	},
	{ key: 'p50Seconds', title: 'latency p50 s', digits: 1, of: (run) => run.queries.p50Seconds },
	{ key: 'p95Seconds', title: 'latency p95 s', digits: 1, of: (run) => run.queries.p95Seconds },
	{ key: 'p99Seconds', title: 'latency p99 s', digits: 1, of: (run) => run.queries.p99Seconds },
	{ key: 'idlePercent', title: 'GPU time idle %', digits: 1, of: idlePercent },
	{ key: 'accuracyPercent', title: 'accuracy %', digits: 2, of: (run) => percent(run.accuracy.value) },
	{ key: 'expertCalls', title: 'expert calls', digits: 0, of: (run) => run.calls.expert },
	{ key: 'aggregatorCalls', title: 'aggregator calls', digits: 0, of: (run) => run.calls.aggregator },
	{ key: 'outputTokens', title: 'output tokens', digits: 0, of: (run) => run.tokens.output },
	{ key: 'recomputedTokens', title: 'recomputed tokens', digits: 0, of: (run) => run.tokens.recomputed },
];

const percent = (share: number | null): number | null => (share === null ? null : 100 * share);

/** @param runs at least one; the first is what the others are measured against */
export function sideBySide(runs: readonly [LoadedRun, ...LoadedRun[]]): SideBySide {
	const [first] = runs;
	return {
		format: 1,
		baseline: rowKey(first.summary),
		seeds: [...new Set(runs.map(({ summary }) => summary.seed))].sort((a, b) => a - b),
		rows: runs.map((run) => sideBySideRow(run, first)),
	};
}

/** Figures as lines, runs as columns A, B, ..., the difference to A in brackets. */
export function sideBySideTable(runs: readonly [LoadedRun, ...LoadedRun[]]): string {
	const { rows } = sideBySide(runs);
	const lines = FIGURES.map(({ key, title, digits, of }) => [
		title,
		...runs.map(({ summary }, index) => {
			const value = of(summary);
			const difference = index === 0 ? null : (rows[index]?.differencePercent[key] ?? null);
			return `${value === null ? '-' : value.toFixed(digits)}${difference === null ? '' : ` (${signedPercent(difference)})`}`;
		}),
	]);
	const paired = rows.map(({ pairedLatency }, index) =>
		index === 0 || pairedLatency === null
			? '-'
			: `${signedPercent(pairedLatency.differencePercent)} over ${pairedLatency.queries}`,
	);
	const head = [
		['', ...runs.map((_, index) => letter(index))],
		['experiment', ...rows.map(({ experiment, seed }) => `${experiment}, seed ${seed}`)],
		['scheduler / gate', ...rows.map((row) => `${shownScheduler(row)} / ${row.gate}`)],
		['world', ...rows.map(({ world }) => world ?? '-')],
		['status', ...rows.map(({ status }) => status)],
	];
	const legend = runs.map(({ name }, index) => `${letter(index)}  ${name}`);
	const table = columns([...head, ...lines, ['latency, query by query', ...paired]], 1);
	const reasons = rows.flatMap(({ incomparable }, index) =>
		incomparable === null ? [] : [`${letter(index)}: ${incomparable}`],
	);
	const remark = reasons.length === 0 ? [] : ['', `no differences for ${reasons.join('; ')}`];
	const note = rows.some(({ knowsLengths }) => knowsLengths) ? ['', KNOWS_LENGTHS_NOTE] : [];
	return [...legend, '', ...table, ...remark, ...note].join('\n');
}

function sideBySideRow(run: LoadedRun, first: LoadedRun): SideBySideRow {
	const { summary } = run;
	const row = compareSummaries([summary]).rows[0] as ComparisonRow;
	const incomparable = whyIncomparable(run, first);
	const ratio = first.summary.makespanSeconds / summary.makespanSeconds;
	return {
		...row,
		speedup: incomparable === null ? { mean: ratio, low: ratio, high: ratio } : null,
		wins: null,
		run: run.name,
		experiment: summary.experiment,
		seed: summary.seed,
		world: run.world,
		status: summary.status,
		incomparable,
		differencePercent: Object.fromEntries(
			FIGURES.map(({ key, of }) => [
				key,
				incomparable === null ? relative(of(summary), of(first.summary)) : null,
			]),
		),
		pairedLatency: incomparable === null ? pairedLatency(run, first) : null,
	};
}

/** Runs are compared on the same questions, answered to the end. */
function whyIncomparable({ summary }: LoadedRun, { summary: first }: LoadedRun): string | null {
	if (summary === first) return null;
	if (summary.experiment !== first.experiment)
		return `another experiment (${summary.experiment}, not ${first.experiment})`;
	if (summary.seed !== first.seed) return `other draws (seed ${summary.seed}, not ${first.seed})`;
	if (summary.status === 'interrupted') return 'interrupted before the end';
	return first.status === 'interrupted' ? 'A was interrupted before the end' : null;
}

const relative = (value: number | null, base: number | null): number | null =>
	value === null || base === null || base === 0 ? null : (100 * (value - base)) / base;

/** Geometric mean of the latency ratios, as a difference. Two runs of one experiment and seed answer the same questions. */
function pairedLatency(run: LoadedRun, first: LoadedRun): SideBySideRow['pairedLatency'] {
	const base = latencies(first.records);
	const logRatios = [...latencies(run.records)].flatMap(([query, latencyUs]) => {
		const other = base.get(query);
		return other === undefined || other === 0 || latencyUs === 0 ? [] : [Math.log(latencyUs / other)];
	});
	if (logRatios.length === 0) return null;
	const mean = logRatios.reduce((sum, value) => sum + value, 0) / logRatios.length;
	return { queries: logRatios.length, differencePercent: 100 * (Math.exp(mean) - 1) };
}

function latencies(records: readonly RunRecord[]): Map<QueryId, TimeUs> {
	const arrivedUs = new Map<QueryId, TimeUs>();
	const latency = new Map<QueryId, TimeUs>();
	for (const record of records) {
		if (record.type === 'query-arrived') arrivedUs.set(record.query, record.timeUs);
		else if (record.type === 'query-settled') {
			latency.set(record.query, record.timeUs - (arrivedUs.get(record.query) ?? 0));
		}
	}
	return latency;
}

/** A to Z, then by number. */
const letter = (index: number): string => (index < 26 ? String.fromCharCode(65 + index) : String(index + 1));
