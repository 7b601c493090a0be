import type { TopLevelSpec } from 'vega-lite';
import { secondsFromUs, type TimeUs } from '../../domain/units.ts';
import type { RunData } from '../run-data.ts';
import { latenciesUs } from '../summary.ts';
import {
	CHART_WIDTH_PIXELS,
	type Chart,
	colourAt,
	frame,
	MAX_VALUES,
	SERIES_COLOURS,
	subtitleOf,
	ZOOM,
} from './chart.ts';

export interface TailPoint {
	readonly run: string;
	readonly latencySeconds: number;
	/** Queries that took at least so long. */
	readonly queriesPercent: number;
}

export function latencyTailChart(runs: readonly RunData[]): Chart {
	const title = 'How long do the slowest queries take?';
	const points = tailPoints(runs);
	return {
		name: 'latency-tail',
		title,
		note: 'For each latency, the share of queries that took at least so long (one minus the distribution function, logarithmic). A line that runs far to the right near the bottom is a long tail.',
		spec: tailSpec(runs, title, points, false),
		interactiveSpec: tailSpec(runs, title, points, true),
	};
}

/** Falling steps from 100 % to one query; thinned where a chart has more than it may show, the slowest half kept whole. */
export function tailPoints(runs: readonly RunData[]): readonly TailPoint[] {
	const most = Math.floor(MAX_VALUES / Math.max(1, runs.length));
	return runs.flatMap((run) => {
		const sortedUs = latenciesUs(run.records).toSorted((a, b) => a - b);
		return thinned(distinct(sortedUs), most).map(([latencyUs, share]) => ({
			run: run.label,
			latencySeconds: secondsFromUs(latencyUs),
			queriesPercent: 100 * share,
		}));
	});
}

/** Each latency once, with the share of queries that took at least so long. */
function distinct(sortedUs: readonly TimeUs[]): readonly [TimeUs, number][] {
	const points: [TimeUs, number][] = [];
	sortedUs.forEach((latencyUs, index) => {
		if (latencyUs !== sortedUs[index - 1])
			points.push([latencyUs, (sortedUs.length - index) / sortedUs.length]);
	});
	return points;
}

function thinned<T>(points: readonly T[], most: number): readonly T[] {
	if (points.length <= most) return points;
	const tail = Math.floor(most / 2);
	const head = points.slice(0, points.length - tail);
	const stride = Math.ceil(head.length / (most - tail));
	return [...head.filter((_, index) => index % stride === 0), ...points.slice(points.length - tail)];
}

const POWERS = [100, 10, 1, 0.1, 0.01, 0.001];

function tailSpec(
	runs: readonly RunData[],
	title: string,
	points: readonly TailPoint[],
	zoomable: boolean,
): TopLevelSpec {
	const labels = runs.map(({ label }) => label);
	// A little below the last step, which would otherwise lie on the axis.
	const lowestPercent = 0.8 * points.reduce((least, point) => Math.min(least, point.queriesPercent), 50);
	return {
		...frame(title, subtitleOf(runs)),
		data: { values: [...points] },
		width: CHART_WIDTH_PIXELS,
		height: 300,
		...(zoomable ? { params: ZOOM } : {}),
		mark: { type: 'line', interpolate: 'step-before', strokeWidth: 2, clip: true },
		encoding: {
			x: {
				field: 'latencySeconds',
				type: 'quantitative',
				axis: { title: 'latency from arrival to settlement (s)', format: ',~f' },
			},
			y: {
				field: 'queriesPercent',
				type: 'quantitative',
				scale: { type: 'log', domain: [lowestPercent, 100], nice: false },
				axis: { title: 'queries at least so slow (%)', format: '~r', values: POWERS },
			},
			color: {
				field: 'run',
				type: 'nominal',
				scale: { domain: labels, range: labels.map((_, index) => colourAt(SERIES_COLOURS, index)) },
				legend: { title: null, columns: 3, symbolType: 'stroke', symbolStrokeWidth: 3 },
			},
			tooltip: ['run', 'latencySeconds', 'queriesPercent'].map((field) => ({ field })),
		},
	};
}
