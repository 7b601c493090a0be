import { present } from '../../domain/errors.ts';
import { rowKey } from '../../report/comparison.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { type LoadedRun, loadRun } from '../load-run.ts';
import { checkName } from '../names.ts';
import { outFolder } from '../out-folder.ts';
import { writeReportFolder } from '../report-folder.ts';
import { sideBySide, sideBySideTable } from '../side-by-side.ts';

/**
 * Finished runs against the first of them; a report only when --out asks for one.
 * @param names the folders as they were typed
 * @param folders the same, absolute
 */
export async function compareRuns(
	names: readonly string[],
	folders: readonly string[],
	args: Arguments,
	io: Io,
): Promise<ExitCode> {
	const loaded = folders.map((folder, index) => loadRun(folder, names[index]));
	const runs = baselineFirst(loaded, args.text('baseline'));
	const document = sideBySide(runs);
	const out = outFolder(args, io.cwd);
	if (out !== undefined) await writeReportFolder(runs, document, out, args, io);
	io.stdout.write(args.flag('json') ? jsonText(document) : `${sideBySideTable(runs)}\n`);
	return EXIT.done;
}

function baselineFirst(
	runs: readonly LoadedRun[],
	baseline: string | undefined,
): [LoadedRun, ...LoadedRun[]] {
	const keys = runs.map(({ summary }) => rowKey(summary));
	const at =
		baseline === undefined ? 0 : keys.findIndex((key) => key === baseline || key.startsWith(`${baseline}/`));
	if (baseline !== undefined && at < 0) checkName('baseline', baseline, keys);
	const first = present(runs[at], 'baseline');
	return [first, ...runs.filter((run) => run !== first)];
}
