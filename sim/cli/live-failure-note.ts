import { RESTARTED } from '../../live/executor/live-executor.ts';
import type { Happening, ProcessRecord } from '../../live/happening.ts';
import { lastLines } from '../../live/process/log-tail.ts';
import type { ReplicaId } from '../domain/ids.ts';

const TAIL_LINES = 15;

/** Shows the last words of the first server that fails: whoever starts a run has mostly one cause to find, and it stands there. */
export class FailureNote {
	/** Of each replica's latest start. */
	private readonly started = new Map<ReplicaId, string>();
	/** Of the latest server that ended; by the time its failure is told the next may have been started. */
	private readonly ended = new Map<ReplicaId, string>();
	private readonly show: (file: string) => string;
	private said = false;

	/** @param show a file's name as the user would type it */
	constructor(show: (file: string) => string) {
		this.show = show;
	}

	keep(record: ProcessRecord): void {
		const { replica } = record;
		if (record.kind === 'spawning') this.started.set(replica, record.logFile);
		const file = this.started.get(replica);
		if (record.kind === 'exited' && file !== undefined) this.ended.set(replica, file);
	}

	/** @returns what to say, when this is the first failure of a server; with its log where it has one */
	take({ event }: Happening): string | null {
		if (this.said || (event.kind !== 'replica-failed' && event.kind !== 'replica-restarting')) return null;
		if (event.reason === RESTARTED) return null;
		const file = this.ended.get(event.replica) ?? this.started.get(event.replica);
		this.said = true;
		const about = `server of ${event.replica} failed: ${event.reason}\n`;
		if (file === undefined) return about;
		const tail = lastLines(file, TAIL_LINES).map((line) => `  | ${line}\n`);
		return `${about}last lines of ${this.show(file)}:\n${tail.join('')}`;
	}
}
