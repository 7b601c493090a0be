import type { Summary } from '../report/summary.ts';

/** One run of a study, as plain data that can travel to a worker thread or another host. */
export interface RunJob {
	/** Name of a bundled experiment or path of a file. */
	readonly experiment: string;
	/** `path=value` overrides. */
	readonly sets: readonly string[];
	readonly seed: number;
	readonly scheduler: string;
	readonly gate: string;
	/** Where to write the run; null when only the summary is wanted. */
	readonly folder: string | null;
	/** With a folder: everything, or only summary.json and plan.json. */
	readonly detail: 'full' | 'summary';
}

export interface RunResult {
	readonly job: RunJob;
	readonly summary: Summary;
}

export interface JobOptions {
	/** Called after each job, in the order in which they end. */
	readonly onDone?: (result: RunResult, done: number, total: number) => void;
	readonly signal?: AbortSignal;
}

/** Carries out jobs, in any order, and returns the results in the order of the jobs. */
export type JobRunner = (jobs: readonly RunJob[], options?: JobOptions) => Promise<readonly RunResult[]>;

/** Which seeds a study meets: firstSeed, firstSeed + 1, ... */
export interface SeedRange {
	readonly seeds: number;
	readonly firstSeed: number;
}

/** One run, `scheduler/gate`, over seeds, of which only the summaries are wanted. */
export function summaryJobs(
	experiment: string,
	sets: readonly string[],
	run: string,
	{ seeds, firstSeed }: SeedRange,
): RunJob[] {
	const [scheduler = '', gate = ''] = run.split('/');
	return Array.from({ length: seeds }, (_, i) => ({
		experiment,
		sets,
		seed: firstSeed + i,
		scheduler,
		gate,
		folder: null,
		detail: 'summary',
	}));
}
