import type { TopLevelSpec } from 'vega-lite';
import { secondsFromUs, type TimeUs } from '../../domain/units.ts';
import { type GpuInterval, gpuTimeline, type IdleCause } from '../gpu-time.ts';
import { drawnGpus, longestUs, modelNames, type RunData } from '../run-data.ts';
import {
	CAUSE_COLOURS,
	CAUSE_NAMES,
	CHART_WIDTH_PIXELS,
	type Chart,
	causesIn,
	colourAt,
	frame,
	gpuNoteOf,
	gpuRows,
	gpuSubtitleOf,
	MAX_VALUES,
	MODEL_COLOURS,
	perRun,
	TIME_AXIS,
	ZOOM,
} from './chart.ts';

export interface GanttSegment {
	readonly run: string;
	readonly gpu: string;
	/** What computes, loads or switches; `-` otherwise. */
	readonly model: string;
	/** `computing`, or why not, in words. */
	readonly state: string;
	readonly startSeconds: number;
	readonly endSeconds: number;
}

export interface GanttLook {
	/** Where the time axis ends at least, so that several pictures share one. */
	readonly untilUs?: TimeUs;
	/** Moments at most in the still picture, a column each; by default one for every pixel where there are many. */
	readonly columns?: number;
}

export function ganttChart(runs: readonly RunData[], { untilUs = 0, columns }: GanttLook = {}): Chart {
	const title = 'What does each GPU do, and when?';
	const raw = ganttSegments(runs);
	const mayShowAll = columns === undefined && raw.length <= 4 * CHART_WIDTH_PIXELS;
	const merged = mayShowAll ? raw : mergedGanttSegments(runs, columns ?? CHART_WIDTH_PIXELS);
	const endUs = Math.max(untilUs, longestUs(runs));
	return {
		name: 'gantt',
		title,
		note: gpuNoteOf(
			runs,
			'Full bars compute, in the colour of their model; thin bars do not, in the colour of the reason. Look for long thin bars while another GPU still works. The dashed line is the lower bound: no schedule of the same work ends left of it.',
		),
		spec: ganttSpec(runs, title, merged, endUs, false),
		interactiveSpec: ganttSpec(runs, title, raw.length <= MAX_VALUES ? raw : merged, endUs, true),
	};
}

/** Every interval of every GPU drawn, as it is. */
export function ganttSegments(runs: readonly RunData[]): readonly GanttSegment[] {
	const drawn = new Set(drawnGpus(runs));
	return runs.flatMap((run) =>
		gpuTimeline(run.records)
			.filter(({ gpu }) => drawn.has(gpu))
			.map((interval) => segment(run.label, interval)),
	);
}

/** One colour per GPU and pixel column: what took most of its time, with equal neighbours joined. */
export function mergedGanttSegments(runs: readonly RunData[], columns: number): readonly GanttSegment[] {
	const columnUs = longestUs(runs) / columns;
	return runs.flatMap((run) => {
		const timeline = gpuTimeline(run.records);
		return drawnGpus(runs).flatMap((gpu) =>
			mergeColumns(
				timeline.filter((interval) => interval.gpu === gpu),
				columnUs,
			).map((interval) => segment(run.label, interval)),
		);
	});
}

/** @param intervals of one GPU, in time order without gaps */
function mergeColumns(intervals: readonly GpuInterval[], columnUs: number): readonly GpuInterval[] {
	const endUs = intervals.at(-1)?.toUs ?? 0;
	const merged: GpuInterval[] = [];
	let first = 0;
	for (let column = 0; column * columnUs < endUs; column++) {
		const fromUs = column * columnUs;
		const toUs = Math.min(endUs, fromUs + columnUs);
		while ((intervals[first]?.toUs ?? endUs) <= fromUs && first < intervals.length - 1) first++;
		const dominant = longestWithin(intervals, first, fromUs, toUs);
		const last = merged.at(-1);
		if (last !== undefined && last.state === dominant.state && last.model === dominant.model)
			merged[merged.length - 1] = { ...last, toUs };
		else merged.push({ ...dominant, fromUs, toUs });
	}
	return merged;
}

/** An interval of the state and model that together take most of [fromUs, toUs). */
function longestWithin(
	intervals: readonly GpuInterval[],
	first: number,
	fromUs: number,
	toUs: number,
): GpuInterval {
	const sums = new Map<string, { interval: GpuInterval; spentUs: number }>();
	let best = { interval: intervals[first] as GpuInterval, spentUs: 0 };
	for (let i = first; i < intervals.length; i++) {
		const interval = intervals[i] as GpuInterval;
		if (interval.fromUs >= toUs) break;
		const key = `${interval.state} ${interval.model}`;
		const sum = sums.get(key) ?? { interval, spentUs: 0 };
		sum.spentUs += Math.min(toUs, interval.toUs) - Math.max(fromUs, interval.fromUs);
		sums.set(key, sum);
		if (sum.spentUs > best.spentUs) best = sum;
	}
	return best.interval;
}

function segment(run: string, { gpu, fromUs, toUs, state, model }: GpuInterval): GanttSegment {
	return {
		run,
		gpu,
		model: model ?? '-',
		state: state === 'busy' ? 'computing' : CAUSE_NAMES[state],
		startSeconds: secondsFromUs(fromUs),
		endSeconds: secondsFromUs(toUs),
	};
}

function ganttSpec(
	runs: readonly RunData[],
	title: string,
	values: readonly GanttSegment[],
	endUs: TimeUs,
	zoomable: boolean,
): TopLevelSpec {
	const all = modelNames(runs);
	const computing = new Set(values.filter(({ state }) => state === 'computing').map(({ model }) => model));
	const models = all.filter((model) => computing.has(model));
	const causes = causesIn(values);
	const x = {
		field: 'startSeconds',
		type: 'quantitative' as const,
		axis: TIME_AXIS,
		scale: { domain: [0, secondsFromUs(endUs)], nice: false },
	};
	const common = {
		x,
		x2: { field: 'endSeconds' },
		y: gpuRows(runs),
		tooltip: ['run', 'gpu', 'state', 'model', 'startSeconds', 'endSeconds'].map((field) => ({ field })),
	};
	return {
		...frame(title, gpuSubtitleOf(runs)),
		data: { values: [...values] },
		...perRun(
			runs.map(({ label }) => label),
			{
				width: CHART_WIDTH_PIXELS,
				height: { step: 22 },
				layer: [
					{
						...(zoomable ? { params: ZOOM } : {}),
						transform: [{ filter: "datum.state === 'computing'" }],
						mark: { type: 'bar' as const, height: { band: 0.85 }, clip: true },
						// `fill` here and `color` below: two scales, so two legends.
						encoding: { ...common, fill: modelColour(models, all) },
					},
					{
						transform: [{ filter: "datum.state !== 'computing'" }],
						mark: { type: 'bar' as const, height: { band: 0.3 }, clip: true },
						encoding: { ...common, color: causeColour(causes, 'not computing (thin bars): why') },
					},
					...boundLine(runs, x.scale),
				],
			},
		),
	};
}

/** The lower bound of each run that has one. */
function boundLine(runs: readonly RunData[], scale: object) {
	const bounds = runs.flatMap(({ label, records }) => {
		const end = records.at(-1);
		return end?.type === 'run-ended' && end.lowerBoundUs !== null
			? [[label, secondsFromUs(end.lowerBoundUs)] as const]
			: [];
	});
	if (bounds.length === 0) return [];
	const bySeconds = JSON.stringify(Object.fromEntries(bounds));
	return [
		{
			// One line a panel, however many bars it has.
			transform: [
				{ aggregate: [{ op: 'count' as const, as: 'bars' }], groupby: ['run'] },
				{ calculate: `${bySeconds}[datum.run]`, as: 'lowerBoundSeconds' },
				{ filter: 'isValid(datum.lowerBoundSeconds)' },
			],
			mark: { type: 'rule' as const, color: '#000000', strokeDash: [5, 3], strokeWidth: 1.5 },
			encoding: {
				x: { field: 'lowerBoundSeconds', type: 'quantitative' as const, axis: TIME_AXIS, scale },
				tooltip: [{ field: 'run' }, { field: 'lowerBoundSeconds' }],
			},
		},
	];
}

function modelColour(models: readonly string[], all: readonly string[]) {
	return {
		field: 'model',
		type: 'nominal' as const,
		scale: {
			domain: [...models],
			// By place among all models, so that a model keeps its colour in every chart of the report.
			range: models.map((model) => colourAt(MODEL_COLOURS, all.indexOf(model))),
		},
		legend: { title: 'computing (full bars): model', columns: 3, symbolType: 'square' as const },
	};
}

/** Colour by cause, in the fixed order of causes, naming those that occur. */
export function causeColour(causes: readonly IdleCause[], title: string | null) {
	return {
		field: 'state',
		type: 'nominal' as const,
		scale: {
			domain: causes.map((cause) => CAUSE_NAMES[cause]),
			range: causes.map((cause) => CAUSE_COLOURS[cause]),
		},
		legend: { title, columns: 3, symbolType: 'square' as const },
	};
}
