/** Batch fullness and KV use: engine samples as bands of colour per GPU over time. */
import type { TopLevelSpec } from 'vega-lite';
import type { GpuId, ModelId, ReplicaId } from '../../domain/ids.ts';
import type { EngineSample } from '../../domain/run-log.ts';
import { secondsFromUs } from '../../domain/units.ts';
import { drawnGpus, longestUs, type RunData } from '../run-data.ts';
import {
	CHART_WIDTH_PIXELS,
	type Chart,
	frame,
	gpuNoteOf,
	gpuRows,
	gpuSubtitleOf,
	MAX_VALUES,
	perRun,
	TIME_AXIS,
	ZOOM,
} from './chart.ts';

export interface GaugeCell {
	readonly run: string;
	readonly gpu: string;
	readonly model: string;
	readonly startSeconds: number;
	readonly endSeconds: number;
	/** Mean over the time in which the engine computed, 0 to 100, whole. */
	readonly percent: number;
}

interface Gauge {
	readonly name: string;
	readonly title: string;
	readonly legend: string;
	readonly note: string;
	/** Share from 0 to 1. */
	readonly read: (sample: EngineSample) => number;
}

const BATCH: Gauge = {
	name: 'batch',
	title: 'How full are the batches?',
	legend: 'sequences running, of those the batch may hold (%)',
	note: 'Dark is a full batch, yellow an almost empty one, white an engine at rest. Yellow at the end of a session is the straggler tail: a GPU kept for a few long calls.',
	read: ({ running, maxRunning }) => running / maxRunning,
};

const KV: Gauge = {
	name: 'kv',
	title: 'How full is the KV cache?',
	legend: 'KV blocks in use (%)',
	note: 'Dark is a full cache: from there on calls wait for memory or are preempted and computed again, so the KV cache and not the batch limit sets the pace.',
	read: ({ usedBlocks, totalBlocks }) => usedBlocks / totalBlocks,
};

export const batchChart = (runs: readonly RunData[]): Chart => gaugeChart(runs, BATCH);
export const kvChart = (runs: readonly RunData[]): Chart => gaugeChart(runs, KV);

function gaugeChart(runs: readonly RunData[], gauge: Gauge): Chart {
	const { name, title, note } = gauge;
	const cells = gaugeCells(runs, gauge.read, cellColumns(runs));
	return {
		name,
		title,
		note: gpuNoteOf(runs, note),
		spec: gaugeSpec(runs, gauge, cells, false),
		interactiveSpec: gaugeSpec(runs, gauge, cells, true),
	};
}

/** As many columns as a screen can tell apart and the chart's budget of values allows. */
function cellColumns(runs: readonly RunData[]): number {
	const lanes = Math.max(1, runs.length * drawnGpus(runs).length);
	return Math.max(1, Math.min(CHART_WIDTH_PIXELS / 2, Math.floor(MAX_VALUES / lanes)));
}

/**
 * A sample holds until the next of its engine or until the engine rests. Each GPU's time is cut into equal columns (on the
 * scale of the longest run); a cell is the mean over the computing time in it and names the model that computed last.
 * Equal neighbours are one cell.
 */
export function gaugeCells(
	runs: readonly RunData[],
	read: (sample: EngineSample) => number,
	columns: number,
): readonly GaugeCell[] {
	const columnUs = longestUs(runs) / columns;
	const drawn = new Set(drawnGpus(runs));
	return runs.flatMap((run) => {
		const lanes = new Map<GpuId, Cell[]>();
		for (const held of heldSamples(run)) {
			for (const gpu of held.gpus.filter((each) => drawn.has(each))) {
				const lane = lanes.get(gpu) ?? [];
				lanes.set(gpu, lane);
				spread(lane, held, read(held.sample), columnUs);
			}
		}
		return [...lanes].flatMap(([gpu, lane]) => laneCells(run, gpu, lane, columnUs));
	});
}

interface HeldSample {
	readonly sample: EngineSample;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly fromUs: number;
	readonly toUs: number;
}

/** Every sample with the computing time for which it holds. */
function heldSamples({ records }: RunData): readonly HeldSample[] {
	const replicas = new Map<ReplicaId, { model: ModelId; gpus: readonly GpuId[] }>();
	const active = new Set<ReplicaId>();
	const current = new Map<ReplicaId, { sample: EngineSample; fromUs: number }>();
	const held: HeldSample[] = [];
	const close = (replica: ReplicaId, toUs: number): void => {
		const open = current.get(replica);
		const place = replicas.get(replica);
		if (open === undefined || place === undefined || !active.has(replica)) return;
		const { sample, fromUs } = open;
		if (toUs > fromUs) held.push({ sample, model: place.model, gpus: place.gpus, fromUs, toUs });
		open.fromUs = toUs;
	};
	for (const record of records) {
		if (record.type === 'replica-changed') {
			replicas.set(record.replica, record);
			if (record.state === 'failed' || record.state === 'stopped') {
				close(record.replica, record.timeUs);
				active.delete(record.replica);
			}
		} else if (record.type === 'engine-active') {
			close(record.replica, record.timeUs);
			if (!record.active) active.delete(record.replica);
			else {
				active.add(record.replica);
				const open = current.get(record.replica);
				if (open !== undefined) open.fromUs = record.timeUs;
			}
		} else if (record.type === 'engine-sample') {
			close(record.replica, record.timeUs);
			current.set(record.replica, { sample: record, fromUs: record.timeUs });
		}
	}
	const endUs = records.at(-1)?.timeUs ?? 0;
	for (const replica of active) close(replica, endUs);
	return held;
}

interface Cell {
	weighted: number;
	spentUs: number;
	model: ModelId;
}

function spread(lane: Cell[], { fromUs, toUs, model }: HeldSample, value: number, columnUs: number): void {
	for (let column = Math.floor(fromUs / columnUs); column * columnUs < toUs; column++) {
		const spentUs = Math.min(toUs, (column + 1) * columnUs) - Math.max(fromUs, column * columnUs);
		if (spentUs <= 0) continue;
		const cell = lane[column];
		if (cell === undefined) lane[column] = { weighted: value * spentUs, spentUs, model };
		else {
			cell.weighted += value * spentUs;
			cell.spentUs += spentUs;
			cell.model = model;
		}
	}
}

function laneCells(run: RunData, gpu: GpuId, lane: readonly Cell[], columnUs: number): readonly GaugeCell[] {
	const cells: GaugeCell[] = [];
	// forEach leaves out the columns in which nothing computed.
	lane.forEach(({ weighted, spentUs, model }, column) => {
		const percent = Math.round((100 * weighted) / spentUs);
		const startSeconds = roundedSeconds(column * columnUs);
		const endSeconds = roundedSeconds((column + 1) * columnUs);
		const last = cells.at(-1);
		if (last?.endSeconds === startSeconds && last.percent === percent && last.model === model)
			cells[cells.length - 1] = { ...last, endSeconds };
		else cells.push({ run: run.label, gpu, model, startSeconds, endSeconds, percent });
	});
	return cells;
}

const roundedSeconds = (timeUs: number): number => secondsFromUs(Math.round(timeUs));

function gaugeSpec(
	runs: readonly RunData[],
	gauge: Gauge,
	cells: readonly GaugeCell[],
	zoomable: boolean,
): TopLevelSpec {
	const endSeconds = secondsFromUs(longestUs(runs));
	// Neighbours overlap by half a pixel, or smoothing would draw a pale line between them.
	const overlapSeconds = endSeconds / CHART_WIDTH_PIXELS / 2;
	return {
		...frame(gauge.title, gpuSubtitleOf(runs)),
		data: { values: [...cells] },
		...perRun(
			runs.map(({ label }) => label),
			{
				width: CHART_WIDTH_PIXELS,
				height: { step: 22 },
				...(zoomable ? { params: ZOOM } : {}),
				transform: [{ calculate: `datum.endSeconds + ${overlapSeconds}`, as: 'drawnToSeconds' }],
				mark: { type: 'bar' as const, height: { band: 0.85 }, clip: true },
				encoding: {
					x: {
						field: 'startSeconds',
						type: 'quantitative' as const,
						axis: TIME_AXIS,
						scale: { domain: [0, endSeconds], nice: false },
					},
					x2: { field: 'drawnToSeconds' },
					y: gpuRows(runs),
					color: {
						field: 'percent',
						type: 'quantitative' as const,
						scale: { scheme: 'viridis' as const, reverse: true, domain: [0, 100] },
						legend: {
							title: gauge.legend,
							gradientLength: 300,
							titleLimit: 500,
							values: [0, 25, 50, 75, 100],
						},
					},
					tooltip: ['run', 'gpu', 'model', 'startSeconds', 'endSeconds', 'percent'].map((field) => ({
						field,
					})),
				},
			},
		),
	};
}
