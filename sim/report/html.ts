/** The report: one HTML file that opens offline, made from run logs and their summaries. */
import { type Chart, chartSpecs, comparisonCharts } from './charts.ts';
import { compareSummaries } from './comparison.ts';
import { gates } from './html/gates.ts';
import { element } from './html/markup.ts';
import { page } from './html/page.ts';
import {
	causeLegend,
	figureOf,
	finding,
	idleTable,
	planTable,
	results,
	resultsNote,
	setting,
	warnings,
} from './html/sections.ts';
import type { RunData } from './run-data.ts';
import { type Summary, summarize } from './summary.ts';

export interface ReportInput {
	/** What was run, e.g. the experiment's name. */
	readonly title: string;
	/** All runs in numbers: every scheduler, gate and seed. At least one. */
	readonly summaries: readonly Summary[];
	/** Runs drawn over time, usually one seed of each scheduler and gate. */
	readonly runs: readonly RunData[];
	/** `SCHEDULER` or `SCHEDULER/GATE`; by default the first of the summaries. */
	readonly baseline?: string;
	/** Charts that were made before, of the same rows and runs; made here when absent. */
	readonly charts?: readonly Chart[];
}

/** @throws UsageError as compareSummaries does */
export function reportHtml(report: ReportInput): string {
	const { title, summaries, runs, baseline } = report;
	const comparison = compareSummaries(summaries, baseline);
	const charts = report.charts ?? [...comparisonCharts(comparison.rows), ...chartSpecs(runs)];
	const drawn = runs.map((run) => ({ run, summary: summarize(run.records) }));
	const body = [
		element('h1', {}, title),
		setting(summaries, comparison, runs),
		finding(comparison),
		...warnings(summaries),
		element('h2', {}, 'Results'),
		results(comparison, summaries),
		element('p', {}, element('small', {}, resultsNote(comparison))),
		...gates(comparison, summaries),
		element('h2', {}, 'Charts'),
		element(
			'p',
			{},
			element(
				'small',
				{},
				'Charts over time can be dragged; Ctrl and the wheel zoom; a double click resets. Hover for values.',
			),
		),
		...charts.map((chart) => (chart.name === 'idle' ? figureOf(chart, causeLegend()) : figureOf(chart))),
		element('h2', {}, 'Idle time per GPU'),
		...drawn.map(({ run, summary }) => idleTable(run.label, summary)),
		element('h2', {}, 'Plans'),
		...drawn.map(({ run, summary }) => planTable(run, summary)),
	];
	return page(title, body, new Map(charts.map((chart) => [`chart-${chart.name}`, pageSpec(chart)])));
}

/** The page's own heading replaces the chart's, which would not wrap. */
function pageSpec({ spec, interactiveSpec }: Chart): object {
	const { title: _, ...rest } = interactiveSpec ?? spec;
	return rest;
}
