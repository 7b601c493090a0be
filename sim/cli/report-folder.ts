import path from 'node:path';
import type { Arguments } from './arguments.ts';
import type { Io } from './io.ts';
import type { LoadedRun } from './load-run.ts';
import { remark } from './progress.ts';
import { reportOn, writeReport } from './report-files.ts';
import { createRunFolder, shownPath } from './run-folder.ts';
import { programVersion } from './version.ts';

/**
 * One report on several runs in a folder of its own, charts side by side, with what was said about them as summary.json.
 * @throws UsageError when they are not of one experiment, or the folder cannot be had; then nothing is written
 */
export async function writeReportFolder(
	runs: readonly LoadedRun[],
	document: unknown,
	out: string,
	args: Arguments,
	io: Io,
): Promise<void> {
	const request = reportOn(runs);
	const folder = createRunFolder({
		out,
		runsFolder: io.cwd,
		defaultName: path.basename(out),
		kind: 'report',
		command: args.words,
		version: programVersion(),
		startedAt: io.now(),
	});
	folder.writeJson('summary.json', document);
	await writeReport(folder, request, io.stderr);
	folder.end('complete', io.now());
	remark(`report: ${shownPath(path.join(folder.path, 'report.html'), io.cwd)}`, args, io);
}
