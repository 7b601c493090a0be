import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { openJournal } from '../../live/journal/journal.ts';
import { takeRun } from '../../live/journal/lock.ts';
import { JOURNAL_FILE, JOURNAL_FORMAT, type JournalHeader } from '../../live/journal/records.ts';
import { setupHash } from '../../live/journal/setup-hash.ts';
import type { Arguments } from './arguments.ts';
import { setsWithAudit } from './gate-options.ts';
import type { Io } from './io.ts';
import type { LiveJob } from './live-execute.ts';
import type { LiveOptions } from './live-options.ts';
import type { LoadedSetup } from './load-setup.ts';
import { outFolder } from './out-folder.ts';
import { createRunFolder } from './run-folder.ts';
import { programVersion } from './version.ts';

export interface ClaimedJob {
	readonly job: LiveJob;
	/** Gives the run folder up for the next controller. */
	readonly release: () => void;
}

export const liveFolderName = ({ setup, scheduler, gate }: LoadedSetup): string =>
	`${setup.name}-live-${scheduler.name}-${gate.name}-seed${setup.seed}`;

/** A new live run: its folder is claimed, its journal not yet begun. */
export function beginLive(loaded: LoadedSetup, options: LiveOptions, args: Arguments, io: Io): ClaimedJob {
	const version = programVersion();
	const folder = createRunFolder({
		out: outFolder(args, io.cwd),
		runsFolder: path.join(io.cwd, 'runs'),
		defaultName: liveFolderName(loaded),
		kind: 'run',
		command: args.words,
		version,
		startedAt: io.now(),
	});
	const release = takeRun(folder.path);
	const runId = randomUUID();
	const { setup, scheduler, gate } = loaded;
	const header: JournalHeader = {
		kind: 'header',
		format: JOURNAL_FORMAT,
		runId,
		version,
		experiment: setup.name,
		setupHash: setupHash(setup),
		resolved: setup.resolved,
		scheduler: scheduler.name,
		gate: gate.name,
		seed: setup.seed,
		...options,
		sets: setsWithAudit(args),
	};
	const openNew: LiveJob['openJournal'] = () => {
		const journal = openJournal(path.join(folder.path, JOURNAL_FILE));
		const seq = journal.append(header);
		journal.commitNow();
		return { journal, past: [{ seq, record: header }] };
	};
	return { job: { ...options, loaded, folder, runId, openJournal: openNew, isNew: true }, release };
}
