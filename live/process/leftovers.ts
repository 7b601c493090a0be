import { groupIsAlive, hasInEnvironment, isRunning, processEntries, processEntry } from './proc-table.ts';
import { RUN_ID_VARIABLE } from './server-process.ts';

/** A server as the journal remembers it. */
export interface RecordedProcess {
	/** Also its group. */
	readonly pid: number;
	readonly startTicks: number | null;
}

/** A process group of a dead run that was found and ended. */
export interface EndedGroup {
	readonly group: number;
	/** Whether it had to be killed. */
	readonly forced: boolean;
}

export interface LeftoverOptions {
	/** Servers of the run as far as they are known; without /proc nothing else can be found. */
	readonly recorded?: readonly RecordedProcess[];
	/** Wall time between asking and killing. */
	readonly politeMs?: number;
}

const LOOK_MS = 20;
const POLITE_MS = 10_000;
const KILL_MS = 15_000;

/**
 * Ends every process group of a run whose controller is gone: those with its id in their environment, and the recorded ones that still run.
 * Never this process and its own group.
 * @returns what was ended, by group
 */
export async function endLeftovers(
	runId: string,
	options: LeftoverOptions = {},
): Promise<readonly EndedGroup[]> {
	const groups = leftoverGroups(runId, options.recorded ?? []);
	return Promise.all(groups.map((group) => endGroup(group, options.politeMs ?? POLITE_MS)));
}

function leftoverGroups(runId: string, recorded: readonly RecordedProcess[]): readonly number[] {
	const own = processEntry(process.pid)?.group;
	const groups = new Set<number>();
	for (const { pid, group, isZombie } of processEntries())
		if (!isZombie && hasInEnvironment(pid, RUN_ID_VARIABLE, runId)) groups.add(group);
	for (const { pid, startTicks } of recorded) if (isGroupOf(pid, startTicks)) groups.add(pid);
	if (own !== undefined) groups.delete(own);
	groups.delete(process.pid);
	return [...groups].sort((a, b) => a - b);
}

/** Whether a recorded server, or what it left in its group when it died alone, still runs. */
function isGroupOf(pid: number, startTicks: number | null): boolean {
	if (isRunning(pid, startTicks)) return true;
	// A number is not given away again while a group goes by it, so younger members without a leader are its own children.
	const leader = processEntry(pid);
	if (startTicks === null || (leader !== null && leader.startTicks !== startTicks)) return false;
	return processEntries().some(
		(entry) => entry.group === pid && !entry.isZombie && entry.startTicks >= startTicks,
	);
}

async function endGroup(group: number, politeMs: number): Promise<EndedGroup> {
	signal(group, 'SIGTERM');
	if (await goneWithin(group, politeMs)) return { group, forced: false };
	signal(group, 'SIGKILL');
	await goneWithin(group, KILL_MS);
	return { group, forced: true };
}

async function goneWithin(group: number, milliseconds: number): Promise<boolean> {
	const endMs = performance.now() + milliseconds;
	while (groupIsAlive(group)) {
		if (performance.now() >= endMs) return false;
		await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
	}
	return true;
}

function signal(group: number, name: NodeJS.Signals): void {
	try {
		process.kill(-group, name);
	} catch {
		// Gone already.
	}
}
