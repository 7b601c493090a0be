import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { openJournal } from '../../live/journal/journal.ts';
import { takeRun } from '../../live/journal/lock.ts';
import { type ReadJournal, readJournal, repairJournal } from '../../live/journal/read-journal.ts';
import { JOURNAL_FILE, type JournalEntry, type JournalHeader } from '../../live/journal/records.ts';
import { sameResolved, setupHash } from '../../live/journal/setup-hash.ts';
import { endLeftovers, type RecordedProcess } from '../../live/process/leftovers.ts';
import { UsageError } from '../domain/errors.ts';
import type { Arguments } from './arguments.ts';
import type { Io } from './io.ts';
import type { ClaimedJob } from './live-begin.ts';
import { checkResumeOptions } from './live-options.ts';
import { experimentReference, type LoadedSetup, loadSetup } from './load-setup.ts';
import { plural } from './plural.ts';
import { remark } from './progress.ts';
import { reopenRunFolder } from './run-folder.ts';
import { readStatus } from './run-status.ts';

export type Resumed =
	/** Its results stand in its folder. */
	{ readonly kind: 'complete'; readonly folder: string } | ({ readonly kind: 'job' } & ClaimedJob);

/**
 * A run that was interrupted or killed, taken over: what it left running is ended, its journal is repaired.
 * @param name of its folder, as typed
 * @throws UsageError when there is no such run, somebody drives it, its journal is broken, or its experiment is another one by now
 */
export async function resumeLive(name: string, args: Arguments, io: Io): Promise<Resumed> {
	checkResumeOptions(args);
	const folder = path.resolve(io.cwd, name);
	if (!existsSync(folder) || !statSync(folder).isDirectory())
		throw new UsageError('E_NOT_A_RUN', `${name}: expected the folder of a live run, got no such folder`);
	const file = path.join(folder, JOURNAL_FILE);
	const shown = path.join(name, JOURNAL_FILE);
	readJournal(file, shown);
	const release = takeRun(folder, name);
	try {
		// Read again, now that nobody else can write to it.
		const read = readJournal(file, shown);
		checkNamedExperiment(name, read.header, args, io);
		if (isOver(read) && readStatus(folder)?.state === 'complete') {
			release();
			remarkChange(name, folder, read.header, args, io);
			return { kind: 'complete', folder };
		}
		const loaded = ownExperiment(name, folder, read.header, io);
		const { runId, backend, speed } = read.header;
		const ended = await endLeftovers(runId, { recorded: leftRunning(read.entries) });
		if (ended.length > 0) remark(`ended ${plural(ended.length, 'server')} that the run had left`, args, io);
		if (read.tornBytes > 0)
			remark(
				`${shown}: cut off ${plural(read.tornBytes, 'byte')} of a record that was not finished`,
				args,
				io,
			);
		const openOld = () => {
			repairJournal(file, read);
			return { journal: openJournal(file, read.entries.length), past: read.entries };
		};
		const job = { loaded, folder: reopenRunFolder(folder), runId, backend, speed, isNew: false };
		return { kind: 'job', job: { ...job, openJournal: openOld }, release };
	} catch (error) {
		release();
		throw error;
	}
}

const isOver = ({ entries }: ReadJournal): boolean => entries.at(-1)?.record.kind === 'end';

/** Servers whose end the journal does not know of. */
function leftRunning(entries: readonly JournalEntry[]): RecordedProcess[] {
	const running = new Map<number, RecordedProcess>();
	for (const { record: entry } of entries) {
		if (entry.kind !== 'process') continue;
		const { record } = entry;
		if (record.kind === 'spawned')
			running.set(record.pid, { pid: record.pid, startTicks: record.startTicks });
		else if (record.kind === 'exited') running.delete(record.pid);
	}
	return [...running.values()];
}

/** The experiment as the run folder keeps it. */
function ownExperiment(name: string, folder: string, header: JournalHeader, io: Io): LoadedSetup {
	const loaded = loadSetup(
		{ experiment: path.relative(process.cwd(), path.join(folder, 'experiment.yaml')), sets: [] },
		io.clockSeconds,
	);
	const { resolved, inputs } = loaded.setup;
	if (setupHash(loaded.setup) === header.setupHash) return loaded;
	// Of the files beside it the journal knows one sum only, together with the experiment's.
	const [what, changed] = sameResolved(resolved, header.resolved)
		? [inputs.map((input) => path.join(name, input.name)).join(', '), inputs.length === 1 ? 'file' : 'files']
		: [path.join(name, 'experiment.yaml'), 'experiment'];
	throw new UsageError(
		'E_OTHER_EXPERIMENT',
		`${what}: expected the ${changed} that ${JOURNAL_FILE} belongs to (${aboutRun(header)}), got one that was changed`,
	);
}

/** Results of a run that is over stay what they are, whatever has become of its experiment. */
function remarkChange(name: string, folder: string, header: JournalHeader, args: Arguments, io: Io): void {
	try {
		ownExperiment(name, folder, header, io);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		remark(`${error.message}; the results are those of the run as it was`, args, io);
	}
}

/** An experiment typed with --resume must be that of the run. */
function checkNamedExperiment(name: string, header: JournalHeader, args: Arguments, io: Io): void {
	const typed = args.text('experiment');
	if (typed === undefined) return;
	const { scheduler, gate, seed, sets } = header;
	const reference = experimentReference(typed, io.cwd);
	const { setup } = loadSetup({ experiment: reference, sets, seed, scheduler, gate }, io.clockSeconds);
	if (setupHash(setup) === header.setupHash) return;
	throw new UsageError(
		'E_OTHER_EXPERIMENT',
		`${name}: expected a run of ${typed}, got one of another experiment (${aboutRun(header)})`,
	);
}

const aboutRun = ({ experiment, scheduler, gate, seed }: JournalHeader): string =>
	`${experiment}, ${scheduler}, gate ${gate}, seed ${seed}`;
