import type { TopLevelSpec } from 'vega-lite';
import { beforeAll, describe, expect, it } from 'vitest';
import { gpuId } from '../../sim/domain/ids.ts';
import { type Chart, chartSpecs, comparisonCharts } from '../../sim/report/charts.ts';
import { compareSummaries } from '../../sim/report/comparison.ts';
import { renderPng, renderSvg } from '../../sim/report/render.ts';
import type { RunData } from '../../sim/report/run-data.ts';
import { summarize } from '../../sim/report/summary.ts';
import { record, runStarted, syntheticRun } from '../support/synthetic-log.ts';
import { darkPixels } from './pixels.ts';

const SCHEDULERS = [
	['round-robin', 'dealt'],
	['data-parallel', 'spread'],
] as const;

const runs: readonly RunData[] = SCHEDULERS.map(([scheduler, layout]) => ({
	label: `${scheduler} / majority`,
	scheduler,
	gate: 'majority',
	seed: 1,
	records: syntheticRun({ scheduler, layout, queryCount: 150 }),
}));
const summaries = [1, 2, 3].flatMap((seed) =>
	SCHEDULERS.map(([scheduler, layout]) =>
		summarize(syntheticRun({ scheduler, layout, seed, queryCount: 60 })),
	),
);
const several = [...comparisonCharts(compareSummaries(summaries).rows), ...chartSpecs(runs)];
const single = [
	...comparisonCharts(compareSummaries(summaries.slice(0, 1)).rows),
	...chartSpecs(runs.slice(0, 1)),
];

/** Warnings that the compiler would print. */
async function compile(spec: TopLevelSpec): Promise<readonly string[]> {
	const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
	const said: string[] = [];
	const logger = vega.logger(vega.Warn, undefined, (_method, _level, args) => {
		said.push([...args].join(' '));
	});
	vegaLite.compile(spec, { logger });
	return said;
}

const textsOf = (svg: string): string[] =>
	[...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) =>
		(match[1] as string).replaceAll('&lt;', '<').replaceAll('&amp;', '&'),
	);

/** What must be read off each chart, whatever else is on it. */
const LABELS: Record<string, readonly string[]> = {
	makespan: ['makespan (s)', 'round-robin / majority', 'data-parallel / majority', 'lower bound'],
	stages: ['stage time (s)', 'experts', 'aggregator', 'data-parallel / majority'],
	gantt: [
		'time from the start of the run (s)',
		'gpu0',
		'gpu3',
		'round-robin / majority',
		'deepseek-r1-distill-llama-8b',
		'aggregator-32b',
		'loading a model',
		'barrier (work is held back)',
	],
	idle: [
		'idle time (s)',
		'gpu0',
		'gpu3',
		'data-parallel / majority',
		'loading a model',
		'barrier (work is held back)',
	],
	batch: ['sequences running, of those the batch may hold (%)', 'gpu2', 'round-robin / majority'],
	kv: ['KV blocks in use (%)', 'gpu2', 'round-robin / majority'],
	'latency-tail': [
		'latency from arrival to settlement (s)',
		'queries at least so slow (%)',
		'round-robin / majority',
	],
};

describe('charts of several runs', () => {
	const svgs = new Map<string, string>();
	beforeAll(async () => {
		for (const chart of several) svgs.set(chart.name, await renderSvg(chart.spec));
	});

	it('are the seven of the run folder', () => {
		expect(several.map(({ name }) => name)).toEqual(Object.keys(LABELS));
	});

	it.each(several.map((chart): [string, Chart] => [chart.name, chart]))(
		'%s compiles without warnings and carries its labels uncut',
		async (name, { spec, interactiveSpec, title, note }) => {
			expect(await compile(spec)).toEqual([]);
			if (interactiveSpec !== undefined) expect(await compile(interactiveSpec)).toEqual([]);
			expect(JSON.stringify(spec)).toContain('vega-lite/v6.json');
			expect(note.length).toBeGreaterThan(40);
			const texts = textsOf(svgs.get(name) as string);
			expect(texts).toEqual(expect.arrayContaining([title, ...(LABELS[name] as string[])]));
			expect(texts.filter((text) => text.includes('…'))).toEqual([]);
		},
	);

	it.each(several.map(({ name }) => name))('%s has dark text in its PNG', async (name) => {
		const svg = svgs.get(name) as string;
		const png = await renderPng(svg, 1);
		expect(png.subarray(1, 4).toString()).toBe('PNG');
		const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg) as unknown as [string, string, string];
		// The title stands in the first 32 rows, above everything else; in big bold type it covers some hundred pixels.
		expect(await darkPixels(png, Number(width), 32)).toBeGreaterThan(300);
		const wordless = await renderPng(svg.replaceAll(/<text.*?<\/text>/gs, ''), 1);
		expect(await darkPixels(wordless, Number(width), 32)).toBe(0);
		expect(await darkPixels(png, Number(width), Number(height))).toBeGreaterThan(1000);
	});

	it('are drawn at twice the size by default', async () => {
		const svg = svgs.get('stages') as string;
		const [one, two] = await Promise.all([renderPng(svg, 1), renderPng(svg)]);
		// Width in a PNG file stands at byte 16.
		expect(two.readUInt32BE(16)).toBe(2 * one.readUInt32BE(16));
	});
});

describe('charts of one run', () => {
	it.each(single.map((chart): [string, Chart] => [chart.name, chart]))(
		'%s compiles and is not split into panels',
		async (_, { spec, interactiveSpec }) => {
			expect(await compile(spec)).toEqual([]);
			if (interactiveSpec !== undefined) expect(await compile(interactiveSpec)).toEqual([]);
			expect(spec).not.toHaveProperty('facet');
			expect((await renderSvg(spec)).length).toBeGreaterThan(3000);
		},
	);
});

it('a run in which nothing happened still gives charts', async () => {
	const idle = { label: 'nothing', scheduler: 's', gate: 'g', seed: 1, records: [runStarted()] };
	for (const { spec } of chartSpecs([idle])) expect(await renderSvg(spec)).toContain('<svg');
});

it('a cluster of the largest size gives charts of its first GPUs that say so', async () => {
	const gpus = Array.from({ length: 1024 }, (_, index) => ({
		gpu: gpuId(`gpu${index}`),
		type: 'TEST-80GB',
		host: 'host0',
	}));
	const records = [
		runStarted({ gpus }),
		...gpus.map(({ gpu }, index) => record.replica(1, `A#${index}`, 'loading', gpu)),
		record.ended(1000, 900),
	];
	const large = { label: 'large', scheduler: 's', gate: 'g', seed: 1, records };
	for (const { name, spec, note, interactiveSpec } of chartSpecs([large])) {
		const svg = await renderSvg(spec);
		const perGpu = name !== 'latency-tail';
		// A page shows the note in place of the picture's subtitle.
		for (const text of [svg, note])
			expect({ name, says: text.includes('first 64 of 1024 GPUs') }).toEqual({ name, says: perGpu });
		if (name !== 'gantt' && name !== 'idle') continue;
		const drawn = textsOf(svg).filter((text) => /^gpu\d+$/.test(text));
		expect(drawn).toEqual(gpus.slice(0, 64).map(({ gpu }) => gpu));
		expect(JSON.stringify(interactiveSpec ?? spec)).not.toContain('"gpu64"');
	}
});

it('a model keeps its colour when others are missing', () => {
	const coloursOf = (those: readonly RunData[]): Record<string, string> => {
		const text = JSON.stringify(chartSpecs(those)[0]?.spec);
		const [, domain, range] = /"field":"model".*?"domain":(\[.*?\]),"range":(\[.*?\])/.exec(
			text,
		) as unknown as [string, string, string];
		const colours = JSON.parse(range) as string[];
		return Object.fromEntries(
			(JSON.parse(domain) as string[]).map((model, index) => [model, colours[index] as string]),
		);
	};
	const [first] = runs as [RunData];
	const without = {
		...first,
		records: first.records.filter((one) => one.type !== 'engine-active' || !one.replica.startsWith('qwen3')),
	};
	const all = coloursOf([first]);
	expect(Object.keys(coloursOf([without]))).toHaveLength(Object.keys(all).length - 1);
	expect(all).toMatchObject(coloursOf([without]));
});

it('draws the same bytes whatever was drawn before or meanwhile', async () => {
	const [spec, other] = chartSpecs(runs.slice(0, 1)).map((chart) => chart.spec);
	if (spec === undefined || other === undefined) throw new Error('no charts');
	const alone = await renderSvg(spec);
	const [again, , between] = await Promise.all([renderSvg(spec), renderSvg(other), renderSvg(spec)]);
	expect([again, between]).toEqual([alone, alone]);
});
