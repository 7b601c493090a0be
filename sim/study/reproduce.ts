import { present } from '../domain/errors.ts';
import type { Summary } from '../report/summary.ts';
import { type Spread, spreadOf } from './interval.ts';
import { type JobOptions, type JobRunner, type RunJob, type SeedRange, summaryJobs } from './jobs.ts';
import { AS_ASSUMED, type OpenChoice, openChoices, setsOf } from './open-choices.ts';
import { PUBLISHED, type PublishedRow } from './published.ts';

export interface ReproduceRequest extends SeedRange {
	/** Bundled workloads among those published. */
	readonly workloads: readonly string[];
	/** False leaves the ranges over the open choices out, which is several times quicker. */
	readonly withChoices: boolean;
}

/** One published figure beside its simulation. The first six fields are the contract of `reproduce --json`. */
export interface ReproducedRow {
	readonly workload: string;
	readonly row: string;
	readonly publishedSeconds: number;
	readonly simulatedSeconds: Spread;
	/** (simulated mean - published) / published, in percent. */
	readonly errorPercent: number;
	/** True when a parameter was fitted on this row. */
	readonly fitted: boolean;
	readonly plottedSeconds: number | null;
	readonly source: string;
	/** Means over the open choices, this row's default included; null for fitted rows and when it was not asked for. */
	readonly choices: ChoiceRange | null;
	readonly reading: string | null;
	readonly settledBy: string | null;
}

export interface ChoiceRange {
	readonly lowSeconds: number;
	readonly lowChoice: string;
	readonly highSeconds: number;
	readonly highChoice: string;
	readonly all: readonly { readonly choice: string; readonly meanSeconds: number }[];
}

export interface Reproduction {
	readonly seeds: number;
	readonly firstSeed: number;
	readonly rows: readonly ReproducedRow[];
}

/** Simulates every published row over seeds, and every prediction also under each named open choice. */
export async function reproduce(
	request: ReproduceRequest,
	runJobs: JobRunner,
	options: JobOptions = {},
): Promise<Reproduction> {
	const cells = request.workloads.flatMap((workload) => [
		{ workload, choice: AS_ASSUMED, sets: [], rows: rowsOf(workload) },
		...(request.withChoices ? openChoices(workload).map((choice) => cellOf(workload, choice)) : []),
	]);
	const jobs = cells.flatMap((cell) => jobsOf(cell, request));
	const results = await runJobs(
		jobs.map(({ job }) => job),
		options,
	);
	const seconds = new Map<string, number[]>();
	results.forEach((result, i) => {
		const { cell } = present(jobs[i], 'job');
		for (const row of cell.rows) {
			if (runOf(row) !== `${result.job.scheduler}/${result.job.gate}`) continue;
			const key = `${cell.workload}/${cell.choice}/${row.row}`;
			const known = seconds.get(key);
			const value = secondsOf(row.row, result.summary);
			if (known === undefined) seconds.set(key, [value]);
			else known.push(value);
		}
	});
	const rows = request.workloads.flatMap((workload) =>
		rowsOf(workload).map((row) => {
			const choices = cells.filter((cell) => cell.workload === workload && cell.rows.includes(row));
			const spreads = choices.map((cell) => ({
				choice: cell.choice,
				spread: spreadOf(
					present(seconds.get(`${workload}/${cell.choice}/${row.row}`), `seconds of ${row.row}`),
				),
			}));
			return reproducedRow(row, spreads);
		}),
	);
	return { seeds: request.seeds, firstSeed: request.firstSeed, rows };
}

interface Cell {
	readonly workload: string;
	readonly choice: string;
	readonly sets: readonly string[];
	/** Rows that this cell is run for. */
	readonly rows: readonly PublishedRow[];
}

const rowsOf = (workload: string): PublishedRow[] => PUBLISHED.filter((row) => row.workload === workload);

/** An open choice is run for the predictions that it can move. */
const cellOf = (workload: string, choice: OpenChoice): Cell => ({
	workload,
	choice: choice.name,
	sets: setsOf(choice),
	rows: rowsOf(workload).filter((row) => !row.fitted && choice.moves.includes(row.row)),
});

/** The run that a row is read from. The expert stage does not depend on the gate, nor the aggregator stage on the expert schedule. */
export function runOf(row: Pick<PublishedRow, 'row'>): string {
	switch (row.row) {
		case 'expert/ilp':
		case 'aggregator/majority':
			return 'ilp/majority';
		case 'data-parallel/default':
			return 'data-parallel/majority';
		default:
			return 'round-robin/never';
	}
}

function jobsOf(cell: Cell, request: ReproduceRequest): { readonly cell: Cell; readonly job: RunJob }[] {
	const runs = [...new Set(cell.rows.map(runOf))];
	return runs.flatMap((run) =>
		summaryJobs(cell.workload, cell.sets, run, request).map((job) => ({ cell, job })),
	);
}

/** Reads a published row's counterpart from a run's summary. */
export function secondsOf(row: string, summary: Summary): number {
	const worker = /^round-robin\/worker(\d+)$/.exec(row);
	if (worker !== null) {
		const gpu = present(summary.gpus[Number(worker[1])], row);
		// Loads and sessions of the expert stage: the aggregator, on all GPUs at once, is busy or loading for all of its stage.
		return gpu.busySeconds + gpu.idle.loading - summary.stages.aggregator.seconds;
	}
	return row.startsWith('aggregator/') ? summary.stages.aggregator.seconds : summary.stages.expert.seconds;
}

function reproducedRow(
	row: PublishedRow,
	spreads: readonly { readonly choice: string; readonly spread: Spread }[],
): ReproducedRow {
	const simulatedSeconds = present(spreads[0], row.row).spread;
	return {
		workload: row.workload,
		row: row.row,
		publishedSeconds: row.publishedSeconds,
		simulatedSeconds,
		errorPercent: (100 * (simulatedSeconds.mean - row.publishedSeconds)) / row.publishedSeconds,
		fitted: row.fitted,
		plottedSeconds: row.plottedSeconds ?? null,
		source: row.source,
		choices: row.fitted || spreads.length < 2 ? null : rangeOf(spreads),
		reading: row.reading ?? null,
		settledBy: row.settledBy ?? null,
	};
}

function rangeOf(spreads: readonly { readonly choice: string; readonly spread: Spread }[]): ChoiceRange {
	const all = spreads.map(({ choice, spread }) => ({ choice, meanSeconds: spread.mean }));
	const sorted = [...all].sort((a, b) => a.meanSeconds - b.meanSeconds);
	const low = present(sorted[0], 'choice');
	const high = present(sorted.at(-1), 'choice');
	return {
		lowSeconds: low.meanSeconds,
		lowChoice: low.choice,
		highSeconds: high.meanSeconds,
		highChoice: high.choice,
		all,
	};
}
