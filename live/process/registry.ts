import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { UsageError } from '../../sim/domain/errors.ts';
import { type EndedGroup, endLeftovers } from './leftovers.ts';
import { isRunning, processEntry } from './proc-table.ts';

/** A live run of this user, known to all later ones while it lasts. */
export interface RegisteredRun {
	readonly runId: string;
	/** Absolute path of its run folder. */
	readonly folder: string;
	readonly controllerPid: number;
	readonly controllerStartTicks: number | null;
}

/** A run whose controller died, and what it had left running. */
export interface SweptRun {
	readonly run: RegisteredRun;
	readonly ended: readonly EndedGroup[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Makes a run known as living in this process.
 * @throws UsageError E_STATE_FOLDER
 * @returns takes it out again, at an orderly end
 */
export function registerRun(runId: string, folder: string, environment: Environment): () => void {
	const file = entryFile(runId, environment);
	const run: RegisteredRun = {
		runId,
		folder: path.resolve(folder),
		controllerPid: process.pid,
		controllerStartTicks: processEntry(process.pid)?.startTicks ?? null,
	};
	try {
		mkdirSync(path.dirname(file), { recursive: true });
		// Whole or not at all, whatever happens meanwhile.
		const draft = `${file}.${process.pid}.tmp`;
		writeFileSync(draft, `${JSON.stringify(run)}\n`);
		renameSync(draft, file);
	} catch (error) {
		throw new UsageError(
			'E_STATE_FOLDER',
			`${path.dirname(file)}: expected a folder that can be written, to note which servers run (XDG_STATE_HOME names another), got ${(error as Error).message.replace(/,.*$/s, '')}`,
		);
	}
	return () => {
		// A later controller of the same run may have put itself there.
		if (readEntry(file)?.controllerPid === process.pid) rmSync(file, { force: true });
	};
}

/** Ends what controllers that died have left running, of any experiment of this user. Runs whose controller lives are not touched. */
export async function sweepDeadRuns(environment: Environment): Promise<readonly SweptRun[]> {
	const swept: SweptRun[] = [];
	for (const file of entryFiles(environment)) {
		const run = readEntry(file);
		if (run !== null && isDriven(run)) continue;
		if (run !== null) swept.push({ run, ended: await endLeftovers(run.runId) });
		// That took a while: the run may have been taken up again.
		const now = readEntry(file);
		if (now === null || !isDriven(now)) rmSync(file, { force: true });
	}
	return swept;
}

const isDriven = ({ controllerPid, controllerStartTicks }: RegisteredRun): boolean =>
	isRunning(controllerPid, controllerStartTicks);

function stateFolder({ XDG_STATE_HOME, HOME }: Environment): string {
	const base = XDG_STATE_HOME || path.join(HOME || homedir(), '.local', 'state');
	return path.join(base, 'mosaic', 'live');
}

/** A run's id may hold what a file's name may not. */
const entryFile = (runId: string, environment: Environment): string =>
	path.join(stateFolder(environment), `${encodeURIComponent(runId)}.json`);

function entryFiles(environment: Environment): readonly string[] {
	const folder = stateFolder(environment);
	try {
		return readdirSync(folder)
			.filter((name) => name.endsWith('.json'))
			.map((name) => path.join(folder, name));
	} catch {
		return [];
	}
}

function readEntry(file: string): RegisteredRun | null {
	try {
		const { runId, folder, controllerPid, controllerStartTicks } = JSON.parse(
			readFileSync(file, 'utf8'),
		) as Partial<RegisteredRun>;
		if (typeof runId !== 'string' || typeof controllerPid !== 'number') return null;
		return { runId, folder: folder ?? '', controllerPid, controllerStartTicks: controllerStartTicks ?? null };
	} catch {
		return null;
	}
}
