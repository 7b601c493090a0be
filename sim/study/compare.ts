import path from 'node:path';
import { type Comparison, compareSummaries } from '../report/comparison.ts';
import type { JobOptions, JobRunner, RunJob, RunResult } from './jobs.ts';

export interface CompareRequest {
	readonly experiment: string;
	readonly sets: readonly string[];
	readonly schedulers: readonly string[];
	readonly gates: readonly string[];
	/** How many seeds: firstSeed, firstSeed + 1, ... */
	readonly seeds: number;
	readonly firstSeed: number;
	/** `SCHEDULER` or `SCHEDULER/GATE`; by default the first scheduler with the first gate. */
	readonly baseline?: string;
	/** Schedulers whose run of the first seed is written in full; by default all. */
	readonly written?: readonly string[];
	/** Where the runs are written, one folder a run; null keeps the summaries only. */
	readonly folder: string | null;
}

export interface CompareOutcome {
	readonly comparison: Comparison;
	readonly results: readonly RunResult[];
}

/**
 * Paired A/B: every (scheduler, gate) meets the same seeds, so the same questions, lengths and answers. The first seed is written in full,
 * the others as summary and plan: their logs can be made again at any time, and a study of many seeds stays small on disk.
 */
export async function compareSchedulers(
	request: CompareRequest,
	runJobs: JobRunner,
	options: JobOptions = {},
): Promise<CompareOutcome> {
	const results = await runJobs(compareJobs(request), options);
	const summaries = results.map((result) => result.summary);
	return { comparison: compareSummaries(summaries, request.baseline), results };
}

/** Jobs of a comparison, all of one seed before the next, so that an interrupted study holds whole pairs. */
export function compareJobs(request: CompareRequest): RunJob[] {
	const { experiment, sets, schedulers, gates, seeds, firstSeed, folder, written = schedulers } = request;
	return Array.from({ length: seeds }, (_, i) => firstSeed + i).flatMap((seed) =>
		schedulers.flatMap((scheduler) =>
			gates.map((gate) => ({
				experiment,
				sets,
				seed,
				scheduler,
				gate,
				folder: folder === null ? null : path.join(folder, 'runs', cellName(scheduler, gate), `seed${seed}`),
				detail: seed === firstSeed && written.includes(scheduler) ? ('full' as const) : ('summary' as const),
			})),
		),
	);
}

/** Name of the folder of a scheduler and gate. `adaptive:all-cuts` has a colon, which some file systems refuse. */
export const cellName = (scheduler: string, gate: string): string =>
	`${scheduler}--${gate}`.replaceAll(/[^\w.+-]/g, '_');
