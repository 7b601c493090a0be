import path from 'node:path';
import { present } from '../../domain/errors.ts';
import { summaryTable } from '../../report/tables.ts';
import type { Arguments } from '../arguments.ts';
import { type ExitCode, Interrupted } from '../exit.ts';
import { setsWithAudit } from '../gate-options.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { checkPlannable, experimentReference, loadSetup } from '../load-setup.ts';
import { outFolder } from '../out-folder.ts';
import { plural } from '../plural.ts';
import { remark, startProgress } from '../progress.ts';
import { createRunFolder, shownPath } from '../run-folder.ts';
import { programVersion } from '../version.ts';
import { exitCodeOf, writeRun } from '../write-run.ts';

export async function simulateCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const request = {
		experiment: experimentReference(present(args.text('experiment'), 'experiment'), io.cwd),
		sets: setsWithAudit(args),
		seed: args.whole('seed', 0),
		scheduler: args.text('scheduler'),
		gate: args.text('gate'),
	};
	const loaded = loadSetup(request, io.clockSeconds);
	checkPlannable(loaded, request);
	const { setup, scheduler, gate } = loaded;
	const version = programVersion();
	const folder = createRunFolder({
		out: outFolder(args, io.cwd),
		runsFolder: path.join(io.cwd, 'runs'),
		defaultName: `${setup.name}-${scheduler.name}-${gate.name}-seed${setup.seed}`,
		kind: 'run',
		command: args.words,
		version,
		startedAt: io.now(),
	});
	const shown = shownPath(folder.path, io.cwd);
	const progress = startProgress(
		`running ${setup.name}: ${setup.queries.length} queries, ${scheduler.name}, gate ${gate.name}, seed ${setup.seed}, into ${shown}`,
		100,
		args,
		io,
	);
	const { clockSeconds, signal, now, stderr } = io;
	const summary = await writeRun({
		setup,
		scheduler,
		gate,
		version,
		folder,
		clockSeconds,
		signal,
		now,
		stderr,
		onProgress: (share) => progress.update(Math.round(100 * share), 'per cent of the queries settled'),
	}).finally(progress.stop);

	if (summary.status === 'interrupted') {
		throw new Interrupted(`interrupted; ${shown} holds what had happened until then`);
	}
	if (args.flag('json')) {
		io.stdout.write(jsonText(summary));
		remark(`run folder: ${shown}`, args, io);
	} else io.stdout.write(`${summaryTable(summary)}\n\nrun folder: ${shown}\n`);
	if (summary.calls.failed > 0)
		remark(`${plural(summary.calls.failed, 'call')} failed; see calls.csv`, args, io);
	return exitCodeOf(summary);
}
