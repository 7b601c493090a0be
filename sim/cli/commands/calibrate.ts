import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { nonNegativeLeastSquares } from '../../../solver/ilp/least-squares.ts';
import { readEngineRuns } from '../../../traces/import/engine-run.ts';
import { isServingTable, readServingTable } from '../../../traces/import/serving-csv.ts';
import { UsageError } from '../../domain/errors.ts';
import type { MeasuredRun, MeasuredServing } from '../../domain/measured-run.ts';
import { createStepwiseEngine } from '../../engine/index.ts';
import { type Calibration, calibrate } from '../../study/calibrate.ts';
import type { Arguments } from '../arguments.ts';
import { calibrateRun, type ReplayedRun, replayText } from '../calibrate-run.ts';
import { calibrationText, servingText } from '../calibration-text.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { outFolder } from '../out-folder.ts';
import { plural } from '../plural.ts';
import { remark } from '../progress.ts';
import { writeReportFolder } from '../report-folder.ts';
import { isRunFolder } from '../run-status.ts';
import { checkServing, type ServingCheck } from '../serving-check.ts';

export async function calibrateCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const runs: MeasuredRun[] = [];
	const servings: MeasuredServing[] = [];
	const folders: string[] = [];
	for (const typed of args.texts('file')) {
		if (isRunFolder(path.resolve(io.cwd, typed))) {
			folders.push(typed);
			continue;
		}
		const text = readText(path.resolve(io.cwd, typed), typed);
		if (isServingTable(text)) servings.push(...readServingTable(text, typed));
		else runs.push(...readEngineRuns(text, typed));
	}
	const out = outFolder(args, io.cwd);
	if (out !== undefined && folders.length === 0)
		throw new UsageError(
			'E_OUT_FOLDER',
			'--out: expected a run folder among the files, got none to report on',
		);
	remark(
		`replaying ${[
			...(runs.length > 0 ? [plural(runs.length, 'recorded run')] : []),
			...(servings.length > 0 ? [plural(servings.length, 'serving measurement')] : []),
			...(folders.length > 0 ? [plural(folders.length, 'run folder')] : []),
		].join(' and ')}`,
		args,
		io,
	);
	const replayed: ReplayedRun[] = [];
	for (const typed of folders) replayed.push(await calibrateRun(path.resolve(io.cwd, typed), typed, io));
	const calibration: Calibration | null =
		runs.length === 0 ? null : calibrate(runs, createStepwiseEngine, nonNegativeLeastSquares);
	const serving: ServingCheck | null = servings.length === 0 ? null : checkServing(servings);
	if (out !== undefined) {
		const both = replayed.flatMap(({ measured, simulated }) => [measured, simulated]);
		await writeReportFolder(
			both,
			replayed.map(({ error }) => error),
			out,
			args,
			io,
		);
	}
	const document = {
		format: 1,
		makespan: null,
		fit: null,
		...calibration,
		runs: [...(calibration?.runs ?? []), ...replayed.map(({ error }) => error)],
		serving,
	};
	io.stdout.write(
		args.flag('json')
			? jsonText(document)
			: [
					...(calibration === null ? [] : [calibrationText(calibration)]),
					...(serving === null ? [] : [servingText(serving)]),
					...(replayed.length === 0 ? [] : [replayText(replayed)]),
				].join('\n'),
	);
	return EXIT.done;
}

function readText(file: string, typed: string): string {
	if (!existsSync(file))
		throw new UsageError(
			'E_NO_FILE',
			`${typed}: expected a run folder or a file of measured runs, got nothing there`,
		);
	if (statSync(file).isDirectory())
		throw new UsageError(
			'E_NO_FILE',
			`${typed}: expected a run folder or a file of measured runs, got another folder`,
		);
	try {
		const bytes = readFileSync(file);
		return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
	} catch (error) {
		throw new UsageError(
			'E_MEASURED_RUN',
			`${typed}: expected a readable file of measured runs, got ${(error as Error).message}`,
		);
	}
}
