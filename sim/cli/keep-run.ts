import { stringify } from 'yaml';
import { UsageError } from '../domain/errors.ts';
import type { RunRecord, RunStarted } from '../domain/run-log.ts';
import type { Setup } from '../domain/setup.ts';
import { callsCsv, queriesCsv } from '../report/csv.ts';
import type { Summary } from '../report/summary.ts';
import { traceEvents } from '../report/trace-events.ts';
import type { ExecutedRun } from './execute-run.ts';
import type { TextSink } from './io.ts';
import { planDocument } from './plan-document.ts';
import { reportOn, writeReport } from './report-files.ts';
import type { RunFolder } from './run-folder.ts';

export interface KeepRequest {
	readonly folder: RunFolder;
	readonly setup: Pick<Setup, 'resolved' | 'inputs'>;
	readonly world: RunStarted['world'];
	readonly now: () => Date;
	/** Hears of charts that could not be made. */
	readonly stderr: TextSink;
	/** Carries the run out. */
	readonly execute: (onRecord: (record: RunRecord) => void) => Promise<ExecutedRun>;
	/** Whether a mistake of the user takes the folder back, as if nothing had been begun. */
	readonly isDiscardable: () => boolean;
}

/**
 * Carries a run out, simulated or live, and keeps everything about it in its folder. Interrupted, the folder holds what had happened until
 * then and says so; after a mistake of the user that shows only now it may be taken back; after a bug it stays, marked as failed.
 */
export async function keepRun(request: KeepRequest): Promise<Summary> {
	const { folder, setup, world, now, stderr, execute, isDiscardable } = request;
	try {
		folder.write('experiment.yaml', stringify(setup.resolved, { lineWidth: 110 }));
		for (const { name, text } of setup.inputs) folder.write(name, text);
		const log = folder.openLines('events.jsonl');
		let run: ExecutedRun;
		try {
			run = await execute((record) => log.write(JSON.stringify(record)));
			log.close();
		} catch (error) {
			log.abandon();
			throw error;
		}
		await writeResults(folder, run, world, stderr);
		folder.end(run.summary.status, now());
		return run.summary;
	} catch (error) {
		if (error instanceof UsageError && isDiscardable()) folder.discard();
		else folder.end('failed', now());
		throw error;
	}
}

async function writeResults(
	folder: RunFolder,
	run: ExecutedRun,
	world: RunStarted['world'],
	stderr: TextSink,
): Promise<void> {
	const { records, summary, plan } = run;
	folder.writeJson('summary.json', summary);
	if (plan !== null) folder.writeJson('plan.json', planDocument(plan, run.measuredSolveSeconds));
	folder.write('queries.csv', queriesCsv(records));
	folder.write('calls.csv', callsCsv(records));
	folder.write('trace.perfetto.json', JSON.stringify(traceEvents(records)));
	// Whoever presses Ctrl-C does not want to wait for pictures; `mosaic report` draws them from the log.
	if (summary.status === 'complete')
		await writeReport(folder, reportOn([{ name: folder.path, summary, records, world }]), stderr);
}
