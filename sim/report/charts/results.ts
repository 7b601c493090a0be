/** Charts of a comparison over seeds: makespan with its interval and lower bound, and how the stages share it. */
import type { TopLevelSpec } from 'vega-lite';
import { type ComparisonRow, shownScheduler } from '../comparison.ts';
import { CHART_WIDTH_PIXELS, type Chart, colourAt, frame, SERIES_COLOURS } from './chart.ts';

export interface MakespanBar {
	readonly row: string;
	readonly gate: string;
	readonly makespanSeconds: number;
	readonly lowSeconds: number;
	readonly highSeconds: number;
	readonly lowerBoundSeconds: number | null;
	/** Makespan as a multiple of it. */
	readonly timesBound: number | null;
}

export interface StageBar {
	readonly row: string;
	readonly stage: 'experts' | 'aggregator';
	readonly stageSeconds: number;
}

/** Makespan and stages per scheduler and gate. */
export function comparisonCharts(rows: readonly ComparisonRow[]): readonly Chart[] {
	return [makespanChart(rows), stagesChart(rows)];
}

export function makespanBars(rows: readonly ComparisonRow[]): readonly MakespanBar[] {
	return rows.map((row) => ({
		row: rowName(row),
		gate: row.gate,
		makespanSeconds: row.makespanSeconds.mean,
		lowSeconds: row.makespanSeconds.low,
		highSeconds: row.makespanSeconds.high,
		lowerBoundSeconds: row.lowerBoundSeconds?.mean ?? null,
		timesBound: row.timesBound?.mean ?? null,
	}));
}

export function stageBars(rows: readonly ComparisonRow[]): readonly StageBar[] {
	return rows.flatMap((row) => [
		{ row: rowName(row), stage: 'experts' as const, stageSeconds: row.expertSeconds.mean },
		{ row: rowName(row), stage: 'aggregator' as const, stageSeconds: row.aggregatorSeconds.mean },
	]);
}

const rowName = (row: ComparisonRow): string => `${shownScheduler(row)} / ${row.gate}`;

function makespanChart(rows: readonly ComparisonRow[]): Chart {
	const title = 'How long does the batch take, and how much could be gained?';
	return {
		name: 'makespan',
		title,
		note: 'Bars are mean makespans, whiskers 95 % intervals over the seeds; no schedule of the same work can end left of the black mark, and the number in brackets is the makespan as a multiple of it. Compare pairs by the speed-up in the table: whiskers may overlap although every seed agrees.',
		spec: makespanSpec(title, makespanBars(rows)),
	};
}

function stagesChart(rows: readonly ComparisonRow[]): Chart {
	const title = 'Which stage takes the time?';
	return {
		name: 'stages',
		title,
		note: 'Placement shortens the expert part; a gate shortens the aggregator part, because queries that agree skip it.',
		spec: stagesSpec(title, stageBars(rows)),
	};
}

const yOf = (bars: readonly { readonly row: string }[]) => ({
	field: 'row',
	type: 'nominal' as const,
	sort: [...new Set(bars.map(({ row }) => row))],
	title: null,
	axis: { domain: false, ticks: false },
});

const SECONDS_AXIS = { format: ',~f', tickCount: 8 };

function makespanSpec(title: string, bars: readonly MakespanBar[]): TopLevelSpec {
	const y = yOf(bars);
	const gates = [...new Set(bars.map(({ gate }) => gate))];
	const longestSeconds = Math.max(0, ...bars.map(({ highSeconds }) => highSeconds));
	const several = bars.some(({ lowSeconds, highSeconds }) => lowSeconds < highSeconds);
	return {
		...frame(
			title,
			several ? 'mean over seeds with 95 % interval, per scheduler / gate' : 'per scheduler / gate',
		),
		data: { values: [...bars] },
		width: CHART_WIDTH_PIXELS,
		height: { step: 34 },
		encoding: { y },
		layer: [
			{
				mark: { type: 'bar', height: { band: 0.6 } },
				encoding: {
					x: {
						field: 'makespanSeconds',
						type: 'quantitative',
						axis: { ...SECONDS_AXIS, title: 'makespan (s)' },
						// Room for the label behind the longest bar.
						scale: { domainMax: (longestSeconds * CHART_WIDTH_PIXELS) / (CHART_WIDTH_PIXELS - LABEL_PIXELS) },
					},
					color: {
						field: 'gate',
						type: 'nominal',
						scale: { domain: gates, range: gates.map((_, index) => colourAt(GATE_COLOURS, index)) },
						legend: gates.length === 1 ? null : { title: 'gate', symbolType: 'square' },
					},
					tooltip: Object.keys(bars[0] ?? {}).map((field) => ({ field })),
				},
			},
			...(several ? whiskers() : []),
			{
				transform: [{ calculate: MAKESPAN_LABEL, as: 'label' }],
				mark: { type: 'text', align: 'left', dx: 8, color: '#222222' },
				encoding: {
					x: { field: 'highSeconds', type: 'quantitative' },
					text: { field: 'label', type: 'nominal' },
				},
			},
			{
				transform: [{ filter: 'isValid(datum.lowerBoundSeconds)' }],
				mark: { type: 'tick', size: 28, strokeWidth: 3 },
				encoding: {
					x: { field: 'lowerBoundSeconds', type: 'quantitative' },
					// A scale of one value, for the sake of its legend.
					stroke: {
						datum: 'lower bound',
						type: 'nominal',
						scale: { range: ['#000000'] },
						legend: { title: null, symbolType: 'stroke', symbolStrokeWidth: 3 },
					},
				},
			},
		],
	};
}

const LABEL_PIXELS = 130;

const MAKESPAN_LABEL =
	"format(datum.makespanSeconds, ',.1f') + (isValid(datum.timesBound) ? ' (' + format(datum.timesBound, '.2f') + ' x bound)' : '')";

const GATE_COLOURS = ['#7fb2d9', '#f0b67f', '#8fcab4', '#d9a3c4', '#c9c9c9'];

function whiskers() {
	const ends = ['lowSeconds', 'highSeconds'].map((field) => ({
		mark: { type: 'tick' as const, color: '#222222', thickness: 1.5, size: 8 },
		encoding: { x: { field, type: 'quantitative' as const } },
	}));
	return [
		{
			mark: { type: 'rule' as const, color: '#222222', strokeWidth: 1.5 },
			encoding: { x: { field: 'lowSeconds', type: 'quantitative' as const }, x2: { field: 'highSeconds' } },
		},
		...ends,
	];
}

function stagesSpec(title: string, bars: readonly StageBar[]): TopLevelSpec {
	return {
		...frame(title, 'mean over seeds, per scheduler / gate'),
		data: { values: [...bars] },
		width: CHART_WIDTH_PIXELS,
		height: { step: 34 },
		mark: { type: 'bar', height: { band: 0.6 } },
		encoding: {
			y: yOf(bars),
			x: {
				field: 'stageSeconds',
				type: 'quantitative',
				stack: 'zero',
				axis: { ...SECONDS_AXIS, title: 'stage time (s)' },
			},
			color: {
				field: 'stage',
				type: 'nominal',
				scale: {
					domain: ['experts', 'aggregator'],
					range: [SERIES_COLOURS[0], SERIES_COLOURS[4]] as string[],
				},
				legend: { title: null, symbolType: 'square' },
			},
			order: { field: 'stage', sort: 'descending' },
			tooltip: ['row', 'stage', 'stageSeconds'].map((field) => ({ field })),
		},
	};
}
