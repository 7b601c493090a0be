/** What all charts share: their shape, their looks, and how several runs stand below each other. */
import type { TopLevelSpec } from 'vega-lite';
import { IDLE_CAUSES, type IdleCause } from '../gpu-time.ts';
import { drawnGpus, gpuNames, MAX_DRAWN_GPUS, type RunData } from '../run-data.ts';

export interface Chart {
	/** File name without ending, e.g. `latency-tail`. */
	readonly name: string;
	/** The question it answers. */
	readonly title: string;
	/** One sentence on what to look for. */
	readonly note: string;
	/** Vega-Lite v6, within what v5 draws; for SVG and PNG. */
	readonly spec: TopLevelSpec;
	/** For a page in a browser: finer data and zoom. Absent when the same. */
	readonly interactiveSpec?: TopLevelSpec;
}

/** Values in one chart; more are merged or thinned, since a page of 1,000 pixels cannot show them. */
export const MAX_VALUES = 20_000;
export const CHART_WIDTH_PIXELS = 720;

/** First the strong, then the pale half of the tableau20 scheme, without its greys, which mean idle time. */
export const MODEL_COLOURS: readonly string[] = [
	'#4c78a8',
	'#f58518',
	'#54a24b',
	'#b279a2',
	'#439894',
	'#e45756',
	'#b79a20',
	'#d67195',
	'#9e765f',
	'#9ecae9',
	'#ffbf79',
	'#88d27a',
	'#d6a5c9',
	'#83bcb6',
	'#ff9d98',
	'#f2cf5b',
	'#fcbfd2',
	'#d8b5a5',
];

/** Okabe and Ito's colours, told apart by colour-blind readers. */
export const SERIES_COLOURS: readonly string[] = [
	'#0072b2',
	'#d55e00',
	'#009e73',
	'#cc79a7',
	'#e69f00',
	'#56b4e9',
	'#000000',
	'#8c8c8c',
];

/** Greys for the price of changing models, warm colours for waiting: no model has a grey. */
export const CAUSE_COLOURS: Readonly<Record<IdleCause, string>> = {
	loading: '#5a5a5a',
	switching: '#9c9c9c',
	starved: '#d55e00',
	barrier: '#e69f00',
	memory: '#cc79a7',
	noDemand: '#dcdcdc',
	down: '#000000',
};

export const CAUSE_NAMES: Readonly<Record<IdleCause, string>> = {
	loading: 'loading a model',
	switching: 'stopping, sleeping, waking',
	starved: 'starved (no work left here)',
	barrier: 'barrier (work is held back)',
	memory: 'memory (work does not fit)',
	noDemand: 'no demand',
	down: 'down (engine failed)',
};

/** The colour of the item at `index`; colours repeat when they run out. */
export const colourAt = (colours: readonly string[], index: number): string =>
	colours[index % colours.length] as string;

// DejaVu first: it is the font shipped with the program, so that PNGs look alike on every machine.
const FONT = 'DejaVu Sans, Verdana, Helvetica, Arial, sans-serif';
const INK = '#222222';

// Vega-Lite hands `layout` on to Vega, but its types leave it out; hence `object`.
const LEGENDS_STACKED: object = {
	layout: { bottom: { direction: 'vertical', anchor: 'start', margin: 10 } },
};

/** Top-level properties of every chart. */
export function frame(title: string, subtitle: string) {
	return {
		$schema: 'https://vega.github.io/schema/vega-lite/v6.json',
		title: { text: title, subtitle },
		background: 'white',
		padding: 12,
		config: {
			font: FONT,
			view: { stroke: null },
			title: {
				anchor: 'start' as const,
				font: FONT,
				subtitleFont: FONT,
				fontSize: 16,
				subtitleFontSize: 12,
				color: INK,
				subtitleColor: '#555555',
				offset: 12,
			},
			axis: { labelColor: INK, titleColor: INK, labelFontSize: 12, titleFontSize: 12, gridColor: '#e6e6e6' },
			axisX: { labelFlush: false, labelSeparation: 8 },
			axisY: { labelLimit: 400 },
			header: { labelColor: INK, labelFontSize: 13, labelFontWeight: 'bold' as const },
			legend: {
				orient: 'bottom' as const,
				labelColor: INK,
				titleColor: INK,
				labelFontSize: 12,
				titleFontSize: 12,
				// Without a browser text widths are estimated, and generously: a tight limit would cut names that fit.
				labelLimit: 480,
				titleLimit: 600,
				...LEGENDS_STACKED,
			},
		},
	};
}

/** The runs' panels one above the other on the same axes; one run needs no label. */
export function perRun<Unit extends object>(labels: readonly string[], unit: Unit) {
	if (labels.length < 2) return unit;
	return {
		facet: {
			field: 'run',
			type: 'nominal' as const,
			sort: [...labels],
			header: { title: null, orient: 'top' as const, labelAnchor: 'start' as const, labelLimit: 600 },
		},
		columns: 1,
		spacing: 14,
		spec: unit,
	};
}

/** Drag to move and Ctrl + wheel to zoom along time; the wheel alone must go on scrolling the page. */
export const ZOOM = [
	{
		name: 'zoom',
		select: { type: 'interval' as const, encodings: ['x' as const], zoom: 'wheel![event.ctrlKey]' },
		bind: 'scales' as const,
	},
];

/** Subtitle of charts over runs: which runs, in short. */
export function subtitleOf(runs: readonly { readonly label: string; readonly seed: number }[]): string {
	const seeds = [...new Set(runs.map(({ seed }) => seed))];
	const what = runs.length === 1 ? runs[0]?.label : `${runs.length} runs`;
	return `${what}, seed ${seeds.join(', ')}`;
}

/** Subtitle of charts with a line per GPU; says so when not all are drawn. */
export const gpuSubtitleOf = (runs: readonly RunData[]): string =>
	[subtitleOf(runs), ...gpusLeftOut(runs)].join(', ');

/** Note of such a chart: a page shows it in place of the subtitle. */
export const gpuNoteOf = (runs: readonly RunData[], note: string): string =>
	[note, ...gpusLeftOut(runs).map((text) => `Drawn: ${text}; the table has all.`)].join(' ');

function gpusLeftOut(runs: readonly RunData[]): readonly string[] {
	const count = gpuNames(runs).length;
	return count > MAX_DRAWN_GPUS ? [`first ${MAX_DRAWN_GPUS} of ${count} GPUs`] : [];
}

export const TIME_AXIS = { title: 'time from the start of the run (s)', format: ',~f', tickCount: 8 };

/** One row per GPU that is drawn, in the order of the cluster. */
export const gpuRows = (runs: readonly RunData[]) => ({
	field: 'gpu',
	type: 'nominal' as const,
	sort: [...drawnGpus(runs)],
	title: null,
	axis: { grid: false, domain: false, ticks: false },
});

/** Idle causes that these values hold, in the order of tables and legends. */
export const causesIn = (values: readonly { readonly state: string }[]): readonly IdleCause[] =>
	IDLE_CAUSES.filter((cause) => values.some(({ state }) => state === CAUSE_NAMES[cause]));
