import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { ServerCommand } from '../backend.ts';
import type { LiveClock } from '../clock.ts';
import { groupIsAlive, processEntry } from './proc-table.ts';

export interface ServerProcessParts {
	readonly command: ServerCommand;
	readonly runId: string;
	/** Output goes here, appended, without passing through this process: a controller that dies leaves no server with a broken pipe. */
	readonly logFile: string;
	/** The controller's own, which servers inherit. */
	readonly environment: Readonly<Record<string, string | undefined>>;
	readonly clock: LiveClock;
}

/** running, then asked (polite signal sent), then forced (killed), then gone: no process of its group is left. */
export type ProcessState = 'running' | 'asked' | 'forced' | 'gone';

/** Name of the variable by which every process of a run, and whatever it starts, can be found. */
export const RUN_ID_VARIABLE = 'MOSAIC_RUN_ID';

/** Groups are looked at so often while they end. Wall time, as processes do not end faster in a scaled run. */
const LOOK_MS = 20;

/** A killed process that is still there after so long hangs in the kernel; nothing here can help it. */
const KILL_MS = 15_000;

/**
 * One server in its own process group. vLLM's front end has children (engine core, workers) which outlive it when it is killed, so it is
 * always the group that is signalled and waited for.
 */
export class ServerProcess {
	readonly logFile: string;
	/** Also its group; null when it could not be started. */
	readonly pid: number | null;
	readonly startTicks: number | null;
	/** How the server itself ended, e.g. `exited with code 1`. Children may be left. Never rejects. */
	readonly exited: Promise<string>;
	/** The same once it has ended; null before. */
	how: string | null = null;
	private readonly child: ChildProcess;
	private readonly clock: LiveClock;
	private ending: Promise<void> | null = null;
	private current: ProcessState = 'running';

	constructor(parts: ServerProcessParts) {
		const { command, runId, logFile, environment, clock } = parts;
		this.logFile = logFile;
		this.clock = clock;
		const log = openSync(logFile, 'a');
		try {
			this.child = spawn(command.executable, command.arguments, {
				detached: true,
				// A pipe that nothing is written to: it breaks when this process dies, which tells an emulator to end.
				stdio: ['pipe', log, log],
				env: {
					...environment,
					...command.environment,
					[RUN_ID_VARIABLE]: runId,
					// vLLM renames its processes; this keeps their environment, and with it the run's id, readable.
					SPT_NOENV: '1',
				},
			});
		} finally {
			closeSync(log);
		}
		this.child.stdin?.on('error', () => undefined);
		this.pid = this.child.pid ?? null;
		this.startTicks = this.pid === null ? null : (processEntry(this.pid)?.startTicks ?? null);
		this.exited = new Promise((resolve) => {
			const end = (how: string): void => {
				this.how ??= how;
				resolve(this.how);
			};
			this.child.once('error', (error) => end(`could not be started (${error.message})`));
			this.child.once('exit', (code, signal) =>
				end(code === null ? `was ended by ${signal}` : `exited with code ${code}`),
			);
		});
		if (this.pid === null) this.current = 'gone';
		else keepTrack(this);
	}

	get state(): ProcessState {
		return this.current;
	}

	/**
	 * Asks the group to end, then makes it. Also to be called for a server that ended by itself: its children may be left.
	 * @param limitUs between asking and killing
	 * @returns when no process of the group is left
	 */
	end(limitUs: TimeUs): Promise<void> {
		this.ending ??= this.endGroup(limitUs);
		return this.ending;
	}

	/** Kills the group at once, without waiting: for the end of this very process. */
	kill(): void {
		if (this.current !== 'gone') this.signal('SIGKILL');
	}

	private async endGroup(limitUs: TimeUs): Promise<void> {
		if (this.pid === null) return;
		this.current = 'asked';
		this.signal('SIGTERM');
		if (!(await this.goneWithin(limitUs / 1000 / this.clock.speed))) {
			this.current = 'forced';
			this.signal('SIGKILL');
			if (!(await this.goneWithin(KILL_MS))) this.how ??= 'did not end when killed';
		}
		if (this.how === null) await this.exited;
		this.current = 'gone';
		tracked.delete(this);
	}

	private async goneWithin(milliseconds: number): Promise<boolean> {
		const group = this.pid as number;
		const endMs = performance.now() + milliseconds;
		while (this.how === null || groupIsAlive(group)) {
			const leftMs = endMs - performance.now();
			if (leftMs <= 0) return false;
			const look = new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_MS, leftMs)));
			await (this.how === null ? Promise.race([this.exited, look]) : look);
		}
		return true;
	}

	private signal(name: NodeJS.Signals): void {
		try {
			process.kill(-(this.pid as number), name);
		} catch {
			// Gone already.
		}
	}
}

const tracked = new Set<ServerProcess>();
let watchesExit = false;

/** However this process ends, as long as it can still do something: it leaves no server behind. */
function keepTrack(server: ServerProcess): void {
	tracked.add(server);
	if (watchesExit) return;
	watchesExit = true;
	process.on('exit', () => {
		for (const each of tracked) each.kill();
	});
}
