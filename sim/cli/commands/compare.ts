import path from 'node:path';
import { UsageError } from '../../domain/errors.ts';
import type { Arguments } from '../arguments.ts';
import type { ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { isRunFolder } from '../run-status.ts';
import { compareExperiment } from './compare-experiment.ts';
import { compareRuns } from './compare-runs.ts';

/** One experiment, or two or more run folders. */
export async function compareCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const targets = args.texts('target');
	const [first = ''] = targets;
	const folders = targets.map((target) => path.resolve(io.cwd, target));
	if (targets.length === 1) {
		if (!folders.some(isRunFolder)) return compareExperiment(first, args, io);
		throw new UsageError(
			'E_ONE_RUN',
			`${first}: expected an experiment, or two or more run folders, got one run folder`,
		);
	}
	const notRun = targets.find((_, index) => !isRunFolder(folders[index] ?? ''));
	if (notRun !== undefined) {
		throw new UsageError(
			'E_NOT_A_RUN',
			`${notRun}: expected a run folder like the others, got something else`,
		);
	}
	for (const option of ['schedulers', 'gates', 'audit', 'ablation', 'seeds', 'seed', 'set'] as const) {
		if (args.texts(option).length > 0) {
			throw new UsageError(
				'E_OPTION_USE',
				`option --${option}: expected with an experiment, got finished runs`,
			);
		}
	}
	return compareRuns(targets, folders, args, io);
}
