import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../sim/domain/errors.ts';
import { isRunning, processEntry } from '../process/proc-table.ts';

/** Process and start time, which together name one process for as long as the machine runs. */
export interface Controller {
	readonly pid: number;
	/** Clock ticks since boot; null where there is no /proc. */
	readonly startTicks: number | null;
}

export const thisController = (): Controller => ({
	pid: process.pid,
	startTicks: processEntry(process.pid)?.startTicks ?? null,
});

const LOCK = /^controller-(\d+)\.lock$/;

/**
 * Makes this process the only controller of a run folder. Each controller creates the lock file of its own number, which only one process
 * can do, so two that find the same dead predecessor do not both go on.
 * @param shown the folder's name in messages
 * @returns gives it back
 * @throws UsageError E_RUN_ACTIVE while another controller of this run lives
 */
export function takeRun(folder: string, shown = folder): () => void {
	mkdirSync(folder, { recursive: true });
	for (;;) {
		const numbers = lockNumbers(folder);
		const last = Math.max(0, ...numbers);
		const owner = last === 0 ? null : ownerOf(path.join(folder, lockName(last)));
		if (owner !== null && isRunning(owner.pid, owner.startTicks))
			throw new UsageError(
				'E_RUN_ACTIVE',
				`${shown}: expected a run that nobody drives, got one that process ${owner.pid} is carrying out`,
			);
		const mine = path.join(folder, lockName(last + 1));
		if (!create(mine, thisController())) continue;
		for (const number of numbers) rmSync(path.join(folder, lockName(number)), { force: true });
		return () => rmSync(mine, { force: true });
	}
}

const lockName = (number: number): string => `controller-${number}.lock`;

const lockNumbers = (folder: string): number[] =>
	readdirSync(folder).flatMap((name) => {
		const number = LOCK.exec(name)?.[1];
		return number === undefined ? [] : [Number(number)];
	});

/**
 * Puts the file in place with its content in it: an empty lock would look abandoned.
 * @returns false when somebody else was quicker
 */
function create(file: string, controller: Controller): boolean {
	const draft = `${file}.${process.pid}.tmp`;
	writeFileSync(draft, `${JSON.stringify(controller)}\n`);
	try {
		linkSync(draft, file);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
		throw error;
	} finally {
		rmSync(draft, { force: true });
	}
}

/** Null for a lock that is gone meanwhile. */
function ownerOf(file: string): Controller | null {
	try {
		return JSON.parse(readFileSync(file, 'utf8')) as Controller;
	} catch {
		return null;
	}
}
