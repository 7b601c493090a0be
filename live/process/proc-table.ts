/** What the kernel says about processes, from /proc. Elsewhere than on Linux these functions know nothing and say so. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessEntry {
	readonly pid: number;
	/** Process group: the id of the process that was spawned detached. */
	readonly group: number;
	/** Clock ticks since boot: tells a process from a later one of the same number. */
	readonly startTicks: number;
	/** Ended, but its parent has not asked how. It holds nothing any more. */
	readonly isZombie: boolean;
}

/** @returns null when there is no such process, or no /proc */
export function processEntry(pid: number): ProcessEntry | null {
	let stat: string;
	try {
		stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
	} catch {
		return null;
	}
	// The second field is the program's name in parentheses and may hold anything, also spaces and parentheses.
	const [state, , group, , , , , , , , , , , , , , , , , startTicks] = stat
		.slice(stat.lastIndexOf(')') + 2)
		.split(' ');
	return {
		pid,
		group: Number(group),
		startTicks: Number(startTicks),
		isZombie: state === 'Z' || state === 'X',
	};
}

/** All processes; empty without /proc. */
export function processEntries(): readonly ProcessEntry[] {
	return folder('/proc')
		.filter((name) => /^\d+$/.test(name))
		.map((name) => processEntry(Number(name)))
		.filter((entry) => entry !== null);
}

/** Whether a process has `name=value` in the environment it was started with. False when it may not be read. */
export function hasInEnvironment(pid: number, name: string, value: string): boolean {
	try {
		return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${name}=${value}`);
	} catch {
		return false;
	}
}

/** Whether a process of this number still runs and is the one that was meant; without /proc the number has to do. */
export function isRunning(pid: number, startTicks: number | null): boolean {
	const entry = processEntry(pid);
	if (entry !== null) return !entry.isZombie && (startTicks === null || entry.startTicks === startTicks);
	return processEntry(process.pid) === null && canSignal(pid);
}

/** Whether any process of a group is left. */
export function groupIsAlive(group: number): boolean {
	if (!canSignal(-group)) return false;
	if (processEntry(process.pid) === null) return true;
	return processEntries().some((entry) => entry.group === group && !entry.isZombie);
}

/**
 * Whether it is a process of this group that listens on a TCP port.
 * @returns null when that cannot be found out
 */
export function groupListensOn(group: number, port: number): boolean | null {
	const sockets = listeningSockets(port);
	if (sockets === null) return null;
	return processEntries()
		.filter((entry) => entry.group === group)
		.some(({ pid }) => folder(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`))));
}

function canSignal(pidOrGroup: number): boolean {
	try {
		process.kill(pidOrGroup, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}

/** Names under which the sockets that listen on a port appear among open files: `socket:[inode]`. */
function listeningSockets(port: number): ReadonlySet<string> | null {
	const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
	const sockets = new Set<string>();
	try {
		for (const line of [tableOf('tcp'), tableOf('tcp6')].flat()) {
			const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
			if (state === LISTENING && local?.endsWith(`:${hexPort}`)) sockets.add(`socket:[${inode}]`);
		}
	} catch {
		return null;
	}
	return sockets;
}

const LISTENING = '0A';

function tableOf(name: 'tcp' | 'tcp6'): readonly string[] {
	try {
		return readFileSync(`/proc/net/${name}`, 'utf8').split('\n');
	} catch (error) {
		// A machine may do without IPv6.
		if (name === 'tcp6') return [];
		throw error;
	}
}

function folder(path: string): readonly string[] {
	try {
		return readdirSync(path);
	} catch {
		return [];
	}
}

function linkOf(path: string): string {
	try {
		return readlinkSync(path);
	} catch {
		return '';
	}
}
