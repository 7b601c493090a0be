import { stringify } from 'yaml';
import { UsageError } from '../domain/errors.ts';
import { callsCsv, queriesCsv } from '../report/csv.ts';
import type { Summary } from '../report/summary.ts';
import { traceEvents } from '../report/trace-events.ts';
import { type ExecutedRun, executeRun, type RunRequest } from './execute-run.ts';
import { EXIT, type ExitCode } from './exit.ts';
import type { TextSink } from './io.ts';
import { planDocument } from './plan-document.ts';
import { reportOn, writeReport } from './report-files.ts';
import type { RunFolder } from './run-folder.ts';

export interface WriteRequest extends RunRequest {
	readonly folder: RunFolder;
	readonly now: () => Date;
	/** Hears of charts that could not be made. */
	readonly stderr: TextSink;
}

/**
 * Simulates one run into its folder. Interrupted, the folder holds what had happened until then and says so; after a
 * mistake of the user that shows only in planning it is taken back; after a bug it stays, marked as failed.
 */
export async function writeRun(request: WriteRequest): Promise<Summary> {
	const { folder, setup, now, stderr } = request;
	try {
		folder.write('experiment.yaml', stringify(setup.resolved, { lineWidth: 110 }));
		const log = folder.openLines('events.jsonl');
		let run: ExecutedRun;
		try {
			run = await executeRun({
				...request,
				onRecord(record) {
					log.write(JSON.stringify(record));
				},
			});
			log.close();
		} catch (error) {
			log.abandon();
			throw error;
		}
		await writeResults(folder, run, stderr);
		folder.end(run.summary.status, now());
		return run.summary;
	} catch (error) {
		if (error instanceof UsageError) folder.discard();
		else folder.end('failed', now());
		throw error;
	}
}

async function writeResults(folder: RunFolder, run: ExecutedRun, stderr: TextSink): Promise<void> {
	const { records, summary, plan } = run;
	folder.writeJson('summary.json', summary);
	if (plan !== null) folder.writeJson('plan.json', planDocument(plan, run.measuredSolveSeconds));
	folder.write('queries.csv', queriesCsv(records));
	folder.write('calls.csv', callsCsv(records));
	folder.write('trace.perfetto.json', JSON.stringify(traceEvents(records)));
	// Whoever presses Ctrl-C does not want to wait for pictures; `mosaic report` draws them from the log.
	if (summary.status === 'complete') {
		await writeReport(
			folder,
			reportOn([{ name: folder.path, summary, records, world: 'simulated' }]),
			stderr,
		);
	}
}

/** Exit code of a run that went through. */
export function exitCodeOf(summary: Summary): ExitCode {
	if (summary.status === 'interrupted') return EXIT.interrupted;
	return summary.calls.failed > 0 ? EXIT.beyondLimit : EXIT.done;
}
