/** The charts of a report, as Vega-Lite specs with their data inside. */
import type { Chart } from './charts/chart.ts';
import { ganttChart } from './charts/gantt.ts';
import { batchChart, kvChart } from './charts/gauges.ts';
import { idleChart } from './charts/idle.ts';
import { latencyTailChart } from './charts/latency-tail.ts';
import type { RunData } from './run-data.ts';

export type { Chart } from './charts/chart.ts';
export { comparisonCharts } from './charts/results.ts';

/** Charts over time of one run, or of several one above the other. Labels must differ. */
export function chartSpecs(runs: readonly RunData[]): readonly Chart[] {
	return [ganttChart(runs), idleChart(runs), batchChart(runs), kvChart(runs), latencyTailChart(runs)];
}
