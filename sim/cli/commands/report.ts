import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../domain/errors.ts';
import { rowKey } from '../../report/comparison.ts';
import type { Arguments } from '../arguments.ts';
import { writeFileAtomically } from '../atomic-file.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { type LoadedRun, loadLog, loadRun, runFoldersInside } from '../load-run.ts';
import { outFolder } from '../out-folder.ts';
import { remark } from '../progress.ts';
import { type ReportRequest, reportOn, writeReport } from '../report-files.ts';
import { createRunFolder, shownPath } from '../run-folder.ts';
import { programVersion } from '../version.ts';

/**
 * Charts and HTML again. One run, or one comparison, gets them in its own folder unless --out says otherwise; several runs
 * share a new folder.
 */
export async function reportCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const names = args.texts('run');
	const folders = names.map((name) => path.resolve(io.cwd, name));
	const request = readRuns(names, folders);
	remark('drawing the report', args, io);
	const [only] = folders;
	const inPlace = folders.length === 1 && only !== undefined && outFolder(args, io.cwd) === undefined;
	const folder = inPlace ? await writeInPlace(only, request, io) : await writeIntoNew(request, args, io);
	const report = shownPath(path.join(folder, 'report.html'), io.cwd);
	io.stdout.write(args.flag('json') ? jsonText({ format: 1, runs: names, report }) : `report: ${report}\n`);
	return EXIT.done;
}

function readRuns(names: readonly string[], folders: readonly string[]): ReportRequest {
	const [name = '', folder = ''] = [names[0], folders[0]];
	const inside =
		folders.length === 1 && !existsSync(path.join(folder, 'events.jsonl')) ? runFoldersInside(folder) : [];
	if (inside.length === 0) return reportOn(folders.map((each, index) => loadLog(each, names[index])));
	const runs = inside.map((run) => loadRun(run, path.join(name, path.relative(folder, run))));
	const { order, baseline } = comparisonOrder(folder);
	const place = (run: LoadedRun): number => order.indexOf(rowKey(run.summary));
	return {
		...reportOn(runs.toSorted((a, b) => a.summary.seed - b.summary.seed || place(a) - place(b))),
		baseline,
	};
}

/** Rows as the comparison had them; an interrupted one had not got that far. */
function comparisonOrder(folder: string): {
	readonly order: readonly string[];
	readonly baseline: string | undefined;
} {
	const file = path.join(folder, 'summary.json');
	if (!existsSync(file)) return { order: [], baseline: undefined };
	const { rows, baseline } = JSON.parse(readFileSync(file, 'utf8'));
	return { order: rows.map(rowKey), baseline };
}

async function writeInPlace(folder: string, request: ReportRequest, io: Io): Promise<string> {
	const write = (name: string, content: string | Uint8Array): void => {
		const file = path.join(folder, name);
		try {
			mkdirSync(path.dirname(file), { recursive: true });
			writeFileAtomically(file, content);
		} catch (error) {
			throw new UsageError(
				'E_OUT_FOLDER',
				`${file}: expected a file that can be written, got ${(error as Error).message}`,
			);
		}
	};
	await writeReport({ write }, request, io.stderr);
	return folder;
}

async function writeIntoNew(request: ReportRequest, args: Arguments, io: Io): Promise<string> {
	const folder = createRunFolder({
		out: outFolder(args, io.cwd),
		runsFolder: path.join(io.cwd, 'runs'),
		// The title comes from a log that anyone may have written.
		defaultName: `${request.title.replace(/[^\w.-]+/g, '-')}-report`,
		kind: 'report',
		command: args.words,
		version: programVersion(),
		startedAt: io.now(),
	});
	await writeReport(folder, request, io.stderr);
	folder.end('complete', io.now());
	return folder.path;
}
