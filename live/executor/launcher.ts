import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ReplicaStart } from '../../sim/core/executor.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { serverMismatch } from '../backends/server-match.ts';
import { ServerFailure } from '../http/failure.ts';
import { ServerClient } from '../http/server-client.ts';
import { timeLimitUs } from '../http/time-limit.ts';
import { PortTable } from '../process/ports.ts';
import { groupListensOn, processEntries } from '../process/proc-table.ts';
import { ServerProcess } from '../process/server-process.ts';
import type { LiveExecutorParts } from './parts.ts';
import { endedEarly, type StartFailure, untilReady } from './readiness.ts';

/** A server that answers. */
export interface Server {
	readonly client: ServerClient;
	/** Null for a server that is not ours to start and stop. */
	readonly process: ServerProcess | null;
	readonly port: number;
}

/** Wall seconds that the start of a process may take on a busy machine, however fast the run clock. */
const START_PATIENCE_SECONDS = 60;

/** Seconds in which a server that is not ours has to answer. */
const RUNNING_SERVER_SECONDS = 60;

/** Runs of other controllers may look for ports at the same moment. */
const PORT_ATTEMPTS = 4;

export type LauncherParts = Pick<
	LiveExecutorParts,
	'backend' | 'clock' | 'settings' | 'runId' | 'logFolder' | 'process' | 'environment' | 'mistake'
>;

/** Starts servers, or finds those that run, and ends them. */
export class Launcher {
	private readonly parts: LauncherParts;
	private readonly ports: PortTable;
	/** Latest log of each replica. */
	private readonly logs = new Map<string, string>();
	/** Nothing starts before what an earlier controller left is gone. */
	private cleared: Promise<unknown> = Promise.resolve();

	constructor(parts: LauncherParts) {
		this.parts = parts;
		this.ports = new PortTable(parts.settings.host, parts.settings.firstPort);
	}

	/** @param before what must be over before anything is started */
	holdUntil(before: Promise<unknown>): void {
		this.cleared = before;
	}

	/** Log of a replica's latest start; null before the first, and for servers that are not ours. */
	logFile(replica: string): string | null {
		return this.logs.get(replica) ?? null;
	}

	/** @returns the server when it is ready, why there is none, or null when `signal` came; then nothing of it runs */
	async launch(start: ReplicaStart, signal: AbortSignal): Promise<Server | StartFailure | null> {
		await this.cleared;
		for (let attempt = 1; ; attempt++) {
			const outcome = await this.tryLaunch(start, signal);
			const again = outcome !== null && 'reason' in outcome && outcome.portTaken;
			if (!again || attempt === PORT_ATTEMPTS) return outcome;
		}
	}

	/** Resolves when every process of the server is gone and its GPUs can be used again. */
	async end(server: Server): Promise<void> {
		await this.endProcess(server);
		this.ports.release(server.port);
	}

	private async endProcess({ client, process }: Server): Promise<void> {
		await client.close();
		if (process !== null) {
			const { settings, clock, backend } = this.parts;
			const { pid } = process;
			const members = processEntries().filter(({ group }) => group === pid);
			await process.end(timeLimitUs(clock, settings.timeouts.stopSeconds));
			await backend.released(members.map((member) => member.pid));
		}
	}

	private async tryLaunch(start: ReplicaStart, signal: AbortSignal): Promise<Server | StartFailure | null> {
		let server: Server;
		try {
			const port = await this.ports.take();
			if (signal.aborted) {
				this.ports.release(port);
				return null;
			}
			server = this.begin(start, port);
		} catch (error) {
			if (!(error instanceof UsageError)) throw error;
			return this.refuse(error);
		}
		const failure = await this.failureOf(server, start, signal);
		if (failure === null && !signal.aborted) return server;
		await this.endProcess(server);
		// A port that somebody else has is not tried again.
		if (!failure?.portTaken) this.ports.release(server.port);
		return signal.aborted ? null : failure;
	}

	private begin(start: ReplicaStart, port: number): Server {
		const { backend, clock } = this.parts;
		const client = new ServerClient(backend.address(start, port), clock);
		return { client, process: this.spawn(start, port), port };
	}

	private spawn(start: ReplicaStart, port: number): ServerProcess | null {
		const { backend, clock, runId, environment, process: record } = this.parts;
		const { replica, gpus } = start;
		const command = backend.command(start, port);
		if (command === null) return null;
		const logFile = this.newLogFile(replica);
		record({
			kind: 'spawning',
			replica,
			gpus,
			port,
			command: [command.executable, ...command.arguments],
			logFile,
		});
		backend.prepare(start, port);
		const server = new ServerProcess({ command, runId, logFile, environment, clock });
		const { pid, startTicks } = server;
		if (pid !== null) {
			record({ kind: 'spawned', replica, pid, startTicks });
			void server.exited.then((how) => record({ kind: 'exited', replica, pid, how }));
		}
		return server;
	}

	private async failureOf(
		server: Server,
		start: ReplicaStart,
		signal: AbortSignal,
	): Promise<StartFailure | null> {
		const { clock, settings } = this.parts;
		const { client, process } = server;
		// A server that is said to run already is not waited for like one that loads.
		const { startSeconds } = settings.timeouts;
		const seconds = process === null ? Math.min(startSeconds, RUNNING_SERVER_SECONDS) : startSeconds;
		const limitUs = timeLimitUs(clock, seconds, START_PATIENCE_SECONDS);
		const failure = await untilReady({ client, process, clock, limitUs, signal });
		if (failure !== null || signal.aborted) return failure;
		// Whoever answered on this port may be a server of somebody else, and ours still loading.
		if (process?.pid && groupListensOn(process.pid, server.port) === false)
			return { reason: `port ${server.port} is taken by another program`, isFinal: false, portTaken: true };
		return this.mismatch(server, start);
	}

	private async mismatch(
		{ client, process, port }: Server,
		start: ReplicaStart,
	): Promise<StartFailure | null> {
		const { servedModel, baseUrl } = this.parts.backend.address(start, port);
		try {
			const mismatch = await serverMismatch(client, servedModel, start.profile.engine);
			if (mismatch === null) return null;
			return this.refuse(
				new UsageError('E_SERVER_MISMATCH', `replica ${start.replica}: the server at ${baseUrl} ${mismatch}`),
			);
		} catch (error) {
			if (!(error instanceof ServerFailure)) throw error;
			if (process !== null && process.how !== null) return endedEarly(process);
			return { reason: `answers /health, but not more: ${error.message}`, isFinal: error.status === 401 };
		}
	}

	/** What the user got wrong stops this replica for good. */
	private refuse(error: UsageError): StartFailure {
		this.parts.mistake?.(error);
		return { reason: error.message, isFinal: true };
	}

	/** One file a start, also over resumed runs. */
	private newLogFile(replica: string): string {
		const name = encodeURIComponent(replica);
		for (let start = 1; ; start++) {
			const file = path.join(this.parts.logFolder, `${name}-${start}.log`);
			if (existsSync(file)) continue;
			this.logs.set(replica, file);
			return file;
		}
	}
}
