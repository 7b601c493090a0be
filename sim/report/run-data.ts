import type { GpuId, ModelId } from '../domain/ids.ts';
import type { RunRecord, RunStarted } from '../domain/run-log.ts';

/** One run as charts and reports take it. */
export interface RunData {
	/** What a reader calls it, e.g. `ilp / majority`; unique among the runs shown together. */
	readonly label: string;
	readonly scheduler: string;
	readonly gate: string;
	readonly seed: number;
	readonly records: readonly RunRecord[];
}

/** GPUs of the runs, in log order. */
export function gpuNames(runs: readonly RunData[]): readonly GpuId[] {
	return [...new Set(runs.flatMap((run) => starts(run).flatMap(({ gpus }) => gpus.map(({ gpu }) => gpu))))];
}

/** GPUs with a line of their own in charts. A picture of a thousand would be too tall to look at, and for Vega too deep to compile. */
export const MAX_DRAWN_GPUS = 64;

/** The first GPUs of the runs, in log order: those that charts draw. */
export const drawnGpus = (runs: readonly RunData[]): readonly GpuId[] =>
	gpuNames(runs).slice(0, MAX_DRAWN_GPUS);

/** Models of the runs, in log order; models only a replica mentions come last. */
export function modelNames(runs: readonly RunData[]): readonly ModelId[] {
	const names = new Set(
		runs.flatMap((run) => starts(run).flatMap(({ models }) => models.map(({ model }) => model))),
	);
	for (const run of runs)
		for (const record of run.records) if (record.type === 'replica-changed') names.add(record.model);
	return [...names];
}

/** End of the longest log, in microseconds; at least 1, so that it can scale an axis. */
export function longestUs(runs: readonly RunData[]): number {
	return Math.max(1, ...runs.map(({ records }) => records.at(-1)?.timeUs ?? 0));
}

function starts({ records }: RunData): readonly RunStarted[] {
	return records.slice(0, 1).filter((record) => record.type === 'run-started');
}
