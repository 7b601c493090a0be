import type { ReplicaStart } from '../../sim/core/executor.ts';
import { assert, present, UsageError } from '../../sim/domain/errors.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import { Launcher, type LauncherParts } from '../executor/launcher.ts';
import type { ServerClient } from '../http/server-client.ts';
import { lastLines } from '../process/log-tail.ts';
import { processEntries } from '../process/proc-table.ts';

export interface MeasuredServerParts extends Omit<LauncherParts, 'process' | 'mistake'> {
	readonly start: ReplicaStart;
	readonly signal: AbortSignal;
}

/** A server that was started to be measured. */
export interface MeasuredServer {
	readonly client: ServerClient;
	readonly logFile: string;
	/** From the order to start until `/health` said yes. */
	readonly loadUs: TimeUs;
	/** All processes of its group at this moment. */
	processes(): readonly number[];
	/** @returns from the order to stop until the last process was gone and its GPUs could be used again */
	stop(): Promise<TimeUs>;
}

/**
 * Starts a server as a live run does, and times it.
 * @throws UsageError E_SERVER_START when it does not come up, with the end of its log
 */
export async function startMeasured(parts: MeasuredServerParts): Promise<MeasuredServer> {
	const { start, clock, signal } = parts;
	const launcher = new Launcher({ ...parts, process: () => undefined });
	const startedUs = clock.nowUs();
	const server = await launcher.launch(start, signal);
	const loadUs = clock.nowUs() - startedUs;
	if (signal.aborted && server !== null && !('reason' in server)) await launcher.end(server);
	signal.throwIfAborted();
	assert(server !== null, 'a launch that was not given up has an outcome');
	const logFile = launcher.logFile(start.replica) ?? '';
	if ('reason' in server) {
		const words = lastLines(logFile, 5).map((line) => `\n  ${line}`);
		throw new UsageError(
			'E_SERVER_START',
			`${start.model}: expected a server that starts, got one that ${server.reason}; its log ends:${words.join('')}`,
		);
	}
	const { pid } = present(server.process, 'process of a server that was started');
	return {
		client: server.client,
		logFile,
		loadUs,
		processes: () =>
			processEntries()
				.filter(({ group }) => group === pid)
				.map((entry) => entry.pid),
		async stop() {
			const orderedUs = clock.nowUs();
			await launcher.end(server);
			return clock.nowUs() - orderedUs;
		},
	};
}
