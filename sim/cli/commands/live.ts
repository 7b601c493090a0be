import path from 'node:path';
import { sweepDeadRuns } from '../../../live/process/registry.ts';
import { UsageError } from '../../domain/errors.ts';
import { summaryTable } from '../../report/tables.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode, Interrupted } from '../exit.ts';
import { setsWithAudit } from '../gate-options.ts';
import { givenUpCalls } from '../given-up.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { beginLive, type ClaimedJob, liveFolderName } from '../live-begin.ts';
import { dryRun, dryRunText } from '../live-dry-run.ts';
import { executeLive } from '../live-execute.ts';
import { liveOptions } from '../live-options.ts';
import { resumeLive } from '../live-resume.ts';
import { loadRun } from '../load-run.ts';
import { experimentReference, type LoadedSetup, loadSetup } from '../load-setup.ts';
import { outFolder } from '../out-folder.ts';
import { plural } from '../plural.ts';
import { remark } from '../progress.ts';
import { shownPath } from '../run-folder.ts';
import { exitCodeOf } from '../write-run.ts';

export async function liveCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const run = args.text('resume');
	if (run !== undefined) {
		await sweep(args, io);
		const resumed = await resumeLive(run, args, io);
		if (resumed.kind === 'job') return carryOut(resumed, `going on with`, args, io);
		remark(`${run} is complete already`, args, io);
		return report(resumed.folder, args, io);
	}
	const loaded = load(args, io);
	const options = liveOptions(args);
	if (args.flag('dry-run')) {
		const folder = outFolder(args, io.cwd) ?? path.join(io.cwd, 'runs', liveFolderName(loaded));
		const dry = await dryRun(loaded, options, path.join(folder, 'logs'), io);
		io.stdout.write(args.flag('json') ? jsonText(dry) : dryRunText(dry));
		return EXIT.done;
	}
	await sweep(args, io);
	return carryOut(beginLive(loaded, options, args, io), 'running', args, io);
}

function load(args: Arguments, io: Io): LoadedSetup {
	const experiment = args.text('experiment');
	if (experiment === undefined)
		throw new UsageError(
			'E_MISSING_ARGUMENT',
			'expected mosaic live EXPERIMENT or --resume RUN, got neither',
		);
	const loaded = loadSetup(
		{
			experiment: experimentReference(experiment, io.cwd),
			sets: setsWithAudit(args),
			seed: args.whole('seed', 0),
			scheduler: args.text('scheduler'),
			gate: args.text('gate'),
		},
		io.clockSeconds,
	);
	checkKnown(loaded);
	return loaded;
}

/** Nobody can be told beforehand how long a real model will speak. */
function checkKnown({ setup, scheduler }: LoadedSetup): void {
	if (!scheduler.knowsLengths || setup.live.lengths === 'simulated') return;
	throw new UsageError(
		'E_LENGTHS_UNKNOWN',
		`scheduler ${scheduler.name} knows every output length beforehand: expected live.lengths simulated, got ${setup.live.lengths}`,
	);
}

/** Servers that a run of this user left behind when it was killed would hold GPUs and ports. */
async function sweep(args: Arguments, io: Io): Promise<void> {
	for (const { run, ended } of await sweepDeadRuns(io.env))
		if (ended.length > 0)
			remark(
				`ended ${plural(ended.length, 'server')} left by a run that was killed; go on with it: mosaic live --resume ${shownPath(run.folder, io.cwd)}`,
				args,
				io,
			);
}

async function carryOut(
	{ job, release }: ClaimedJob,
	verb: string,
	args: Arguments,
	io: Io,
): Promise<ExitCode> {
	const { loaded, folder, backend, speed } = job;
	const { setup, scheduler, gate } = loaded;
	const shown = shownPath(folder.path, io.cwd);
	const scaled = speed === 1 ? '' : ` at ${speed} times real time`;
	const opening = `${verb} ${setup.name} live: ${setup.queries.length} queries, ${scheduler.name}, gate ${gate.name}, seed ${setup.seed}, backend ${backend}${scaled}, in ${shown}`;
	const summary = await executeLive(job, args, io, () => remark(opening, args, io)).finally(release);
	if (summary.status === 'interrupted')
		throw new Interrupted(`interrupted; everything is stopped; go on with: mosaic live --resume ${shown}`);
	return report(folder.path, args, io);
}

function report(folder: string, args: Arguments, io: Io): ExitCode {
	const shown = shownPath(folder, io.cwd);
	const { summary, records } = loadRun(folder, shown);
	if (args.flag('json')) {
		io.stdout.write(jsonText(summary));
		remark(`run folder: ${shown}`, args, io);
	} else io.stdout.write(`${summaryTable(summary)}\n\nrun folder: ${shown}\n`);
	const { failed } = summary.calls;
	if (failed > 0) remark(`${plural(failed, 'call')} failed; see calls.csv`, args, io);
	const givenUp = givenUpCalls(records);
	if (givenUp > 0)
		remark(`${plural(givenUp, 'call')} given up, as no server of their model was left; see logs/`, args, io);
	return givenUp > 0 ? EXIT.beyondLimit : exitCodeOf(summary);
}
