import { UsageError } from '../domain/errors.ts';
import { type Chart, chartSpecs, comparisonCharts } from '../report/charts.ts';
import { compareSummaries, rowKey, shownScheduler } from '../report/comparison.ts';
import { reportHtml } from '../report/html.ts';
import { renderPng, renderSvg } from '../report/render.ts';
import type { RunData } from '../report/run-data.ts';
import type { Summary } from '../report/summary.ts';
import type { TextSink } from './io.ts';
import { jsonText } from './json-text.ts';
import type { LoadedRun } from './load-run.ts';
import type { RunFolder } from './run-folder.ts';

export interface ReportRequest {
	readonly title: string;
	/** All runs in numbers: every scheduler, gate and seed. */
	readonly summaries: readonly Summary[];
	/** Runs drawn over time. */
	readonly runs: readonly RunData[];
	readonly baseline?: string | undefined;
}

/**
 * report.html, and every chart of it under charts/ as specification, SVG and PNG. The runs are done and their logs kept, so a chart that
 * cannot be made costs one line on stderr and its place in the report, nothing else.
 */
export async function writeReport(
	folder: Pick<RunFolder, 'write'>,
	request: ReportRequest,
	stderr: TextSink,
): Promise<void> {
	const { title, summaries, runs, baseline } = request;
	const { rows } = compareSummaries(summaries, baseline);
	const charts: readonly Chart[] = [
		...((await attempt('the charts of results', stderr, () => comparisonCharts(rows))) ?? []),
		...((await attempt('the charts over time', stderr, () => chartSpecs(runs))) ?? []),
	];
	const drawn: Chart[] = [];
	for (const chart of charts) {
		await attempt(`chart ${chart.name}`, stderr, async () => {
			await writeChart(folder, chart);
			drawn.push(chart);
		});
	}
	await attempt('report.html', stderr, () => {
		const page = { title, summaries, runs, charts: drawn, ...(baseline !== undefined && { baseline }) };
		folder.write('report.html', reportHtml(page));
	});
}

async function writeChart(folder: Pick<RunFolder, 'write'>, { name, spec }: Chart): Promise<void> {
	const svg = await renderSvg(spec);
	const png = await renderPng(svg);
	folder.write(`charts/${name}.vl.json`, jsonText(spec));
	folder.write(`charts/${name}.svg`, svg);
	folder.write(`charts/${name}.png`, png);
}

/** A folder that the user named and that cannot be written is not a chart's fault: that mistake goes on. */
async function attempt<T>(
	what: string,
	stderr: TextSink,
	make: () => T | Promise<T>,
): Promise<T | undefined> {
	try {
		return await make();
	} catch (error) {
		if (error instanceof UsageError) throw error;
		const [why] = (error as Error).message.split('\n');
		stderr.write(`mosaic: ${what} could not be made (${why}); everything else is complete\n`);
		return undefined;
	}
}

/**
 * One report on several runs. Runs that share scheduler, gate and seed, such as a simulated and a live one, keep apart by
 * their names; those that share scheduler and gate only are seeds of one row.
 * @throws UsageError E_MIXED_EXPERIMENTS when they are not of one experiment
 */
export function reportOn(runs: readonly LoadedRun[]): ReportRequest {
	const experiments = [...new Set(runs.map(({ summary }) => summary.experiment))];
	if (experiments.length > 1) {
		throw new UsageError(
			'E_MIXED_EXPERIMENTS',
			`expected runs of one experiment, got ${experiments.join(' and ')}`,
		);
	}
	const seedKey = ({ summary }: LoadedRun): string => `${rowKey(summary)}/${summary.seed}`;
	const clash = haveDoubles(runs.map(seedKey));
	const named = clash
		? runs.map((run) => ({
				...run,
				summary: { ...run.summary, scheduler: `${run.summary.scheduler} (${run.name})` },
			}))
		: runs;
	const drawn = named.filter(({ records }) => records.length > 0);
	const severalSeeds = haveDoubles(drawn.map(({ summary }) => rowKey(summary)));
	return {
		title: experiments.join(),
		summaries: named.map(({ summary }) => summary),
		runs: drawn.map(({ summary: { scheduler, knowsLengths, gate, seed }, records }) => ({
			label: `${shownScheduler({ scheduler, ...(knowsLengths && { knowsLengths }) })} / ${gate}${severalSeeds ? `, seed ${seed}` : ''}`,
			scheduler,
			gate,
			seed,
			records,
		})),
	};
}

const haveDoubles = (keys: readonly string[]): boolean => new Set(keys).size < keys.length;
