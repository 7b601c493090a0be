import type { TopLevelSpec } from 'vega-lite';
import { secondsFromUs } from '../../domain/units.ts';
import { gpuTimes, IDLE_CAUSES } from '../gpu-time.ts';
import { drawnGpus, type RunData } from '../run-data.ts';
import {
	CAUSE_NAMES,
	CHART_WIDTH_PIXELS,
	type Chart,
	causesIn,
	frame,
	gpuNoteOf,
	gpuRows,
	gpuSubtitleOf,
	perRun,
} from './chart.ts';
import { causeColour } from './gantt.ts';

export interface IdlePart {
	readonly run: string;
	readonly gpu: string;
	/** The cause, in words. */
	readonly state: string;
	/** Place of the cause in the stack. */
	readonly order: number;
	readonly idleSeconds: number;
	/** Of the GPU's wall time, all causes together. */
	readonly idlePercent: number;
}

export function idleChart(runs: readonly RunData[]): Chart {
	const title = 'Why are the GPUs idle?';
	return {
		name: 'idle',
		title,
		note: gpuNoteOf(
			runs,
			'Seconds in which a GPU did not compute, by cause, with the share of its wall time behind each bar. Uneven bars are imbalance; a large barrier part is time that an earlier start of the aggregator could use.',
		),
		spec: idleSpec(runs, title, idleParts(runs)),
	};
}

export function idleParts(runs: readonly RunData[]): readonly IdlePart[] {
	const drawn = new Set(drawnGpus(runs));
	return runs.flatMap((run) =>
		gpuTimes(run.records)
			.filter(({ gpu }) => drawn.has(gpu))
			.flatMap(({ gpu, wallUs, busyUs, idleUs }) =>
				IDLE_CAUSES.map((cause, order) => ({
					run: run.label,
					gpu,
					state: CAUSE_NAMES[cause],
					order,
					idleSeconds: secondsFromUs(idleUs[cause]),
					idlePercent: wallUs === 0 ? 0 : (100 * (wallUs - busyUs)) / wallUs,
				})),
			),
	);
}

function idleSpec(runs: readonly RunData[], title: string, parts: readonly IdlePart[]): TopLevelSpec {
	const values = parts.filter(({ idleSeconds }) => idleSeconds > 0);
	const causes = causesIn(values);
	const y = gpuRows(runs);
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
						mark: { type: 'bar' as const },
						encoding: {
							y,
							x: {
								field: 'idleSeconds',
								type: 'quantitative' as const,
								stack: 'zero' as const,
								axis: { title: 'idle time (s)', format: ',~f', tickCount: 8 },
							},
							color: causeColour(causes, null),
							order: { field: 'order' },
							tooltip: ['run', 'gpu', 'state', 'idleSeconds', 'idlePercent'].map((field) => ({ field })),
						},
					},
					{
						transform: [
							{
								aggregate: [
									{ op: 'sum' as const, field: 'idleSeconds', as: 'totalSeconds' },
									{ op: 'max' as const, field: 'idlePercent', as: 'idlePercent' },
								],
								groupby: ['run', 'gpu'],
							},
							{ calculate: "format(datum.idlePercent, '.0f') + ' %'", as: 'share' },
						],
						mark: { type: 'text' as const, align: 'left' as const, dx: 5, color: '#222222' },
						encoding: {
							y,
							x: { field: 'totalSeconds', type: 'quantitative' as const },
							text: { field: 'share' },
						},
					},
				],
			},
		),
	};
}
