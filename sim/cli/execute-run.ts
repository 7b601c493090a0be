import type { Plan } from '../domain/plan.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Gate } from '../domain/work.ts';
import { type Summary, summarize } from '../report/summary.ts';
import { simulate } from '../run/simulate.ts';
import { boundOnTruth } from './run-bound.ts';
import { timed } from './timed-scheduler.ts';

export interface RunRequest {
	readonly setup: Setup;
	readonly scheduler: Scheduler;
	readonly gate: Gate;
	readonly version: string;
	readonly clockSeconds: () => number;
	readonly signal: AbortSignal;
	/** Hears every record as it happens. */
	readonly onRecord?: (record: RunRecord) => void;
	/** Share of queries settled, 0 to 1, now and then. */
	readonly onProgress?: (share: number) => void;
}

export interface ExecutedRun {
	readonly records: readonly RunRecord[];
	readonly summary: Summary;
	/** Null when the run was interrupted before there was one. */
	readonly plan: Plan | null;
	readonly measuredSolveSeconds: number;
}

/** Simulates one run and keeps its log in memory. An interruption is a result too: the log then ends with a record that says so. */
export async function executeRun(request: RunRequest): Promise<ExecutedRun> {
	const { setup, gate, version, signal, onProgress } = request;
	const bound = boundOnTruth(request);
	const { scheduler, measuredSolveSeconds } = timed(request.scheduler, request.clockSeconds, signal);
	const records: RunRecord[] = [];
	const onRecord = (record: RunRecord): void => {
		records.push(record);
		request.onRecord?.(record);
	};
	let plan: Plan | null = null;
	try {
		const options = { version, onRecord, bound, signal, ...(onProgress && { onProgress }) };
		plan = (await simulate(setup, scheduler, gate, options)).plan;
	} catch (error) {
		if (!signal.aborted || error !== signal.reason) throw error;
		// Given up while planning: the simulation did not get to write its end.
		onRecord({ type: 'run-ended', timeUs: 0, status: 'interrupted', lowerBoundUs: null });
	}
	return { records, summary: summarize(records), plan, measuredSolveSeconds: measuredSolveSeconds() };
}
