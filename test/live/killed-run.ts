import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { readJournal } from '../../live/journal/read-journal.ts';
import { JOURNAL_FILE, type JournalEntry } from '../../live/journal/records.ts';
import { hasInEnvironment, isRunning, processEntries } from '../../live/process/proc-table.ts';
import { RUN_ID_VARIABLE } from '../../live/process/server-process.ts';
import type { RandomStream } from '../../sim/core/random.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Summary } from '../../sim/report/summary.ts';
import { RequestLog } from './request-log.ts';

export type Victim = 'controller' | 'engine' | 'both';

export interface RunResults {
	/** Calls whose end stands in the journal, as often as it does. */
	readonly endedCalls: readonly string[];
	readonly journalLength: number;
	/** What a kill must not change: counts, tokens, every query's answer. */
	readonly compared: object;
}

const REPOSITORY = path.resolve(__dirname, '../..');
const EXPERIMENT = path.join(__dirname, 'kill-experiment.yaml');
const SPEED = '4';
const LOOK_MS = 5;
const LIMIT_MS = 180_000;

/** One live run on emulators whose controllers and engines get killed. */
export class KilledRun {
	readonly folder: string;
	private readonly stateFolder: string;
	private readonly seed: number;
	private readonly random: RandomStream;
	private readonly requests: RequestLog;
	private controller: ChildProcess | null = null;
	private stderr = '';

	/** @param stateFolder where live runs are registered, apart from those of the user */
	constructor(folder: string, stateFolder: string, seed: number, random: RandomStream) {
		this.folder = folder;
		this.stateFolder = stateFolder;
		this.seed = seed;
		this.random = random;
		this.requests = new RequestLog(path.join(folder, 'logs'));
	}

	/**
	 * Lets the run go on to a random moment and kills.
	 * @param journalLength of such a run undisturbed
	 * @returns whom, and how far the run was
	 */
	async kill(journalLength: number): Promise<{ readonly victim: Victim; readonly where: string }> {
		if (!this.controllerLives) this.startController();
		await this.moment(journalLength);
		const draw = this.random();
		const wanted: Victim = draw < 0.5 ? 'controller' : draw < 0.75 ? 'engine' : 'both';
		const engine = this.engine();
		const where = this.where();
		// What has ended by now must never be sent again.
		this.requests.mark(this.endedCalls());
		// Where no engine runs, it has to be the controller.
		const victim = engine === null ? 'controller' : wanted;
		if (victim !== 'controller') kill(engine);
		if (victim !== 'engine' && this.controllerLives) {
			kill(this.controller?.pid);
			await this.until(() => !this.controllerLives);
		}
		return { victim, where };
	}

	/** Whether nothing but its results can be missing. */
	get isOver(): boolean {
		return this.entries().at(-1)?.record.kind === 'end';
	}

	/** Lets the run come to its end, and makes sure that going on with it afterwards does nothing. */
	async complete(): Promise<void> {
		if (!this.controllerLives) this.startController();
		await this.toEnd();
		const before = this.entries().length;
		this.startController();
		await this.toEnd();
		if (this.entries().length !== before) throw new Error(`${this.folder} went on after its end`);
	}

	results(): RunResults {
		const read = (name: string): string => readFileSync(path.join(this.folder, name), 'utf8');
		const { status, calls, tokens, queries, accuracy } = JSON.parse(read('summary.json')) as Summary;
		const answers = read('events.jsonl')
			.trim()
			.split('\n')
			.map((line) => JSON.parse(line) as RunRecord)
			.flatMap((record) =>
				record.type === 'query-settled' ? [`${record.query} ${record.by} ${record.answer}`] : [],
			)
			.sort();
		const { prompt, output } = tokens;
		const { total, settledByVote, aggregated } = queries;
		return {
			endedCalls: this.endedCalls(),
			journalLength: this.entries().length,
			compared: { status, calls, prompt, output, total, settledByVote, aggregated, accuracy, answers },
		};
	}

	/** Calls that ended twice, or were sent again after their end. */
	callsMadeTwice(): readonly string[] {
		const ended = this.endedCalls();
		const twice = ended.filter((call, index) => ended.indexOf(call) !== index);
		return [...twice, ...this.requests.sentAfterMark()];
	}

	/** Requests that reached an emulator, those of calls that were cut off by a kill more than once. */
	requestCount(): number {
		return [...this.requests.counts().values()].reduce((sum, count) => sum + count, 0);
	}

	/** Processes with the run's id that are left. */
	orphans(): readonly number[] {
		const header = this.entries()[0]?.record;
		if (header?.kind !== 'header') return [];
		return processEntries()
			.filter(({ pid, isZombie }) => !isZombie && hasInEnvironment(pid, RUN_ID_VARIABLE, header.runId))
			.map(({ pid }) => pid);
	}

	/** For the end of a campaign that went wrong. */
	drop(): void {
		if (this.controllerLives) kill(this.controller?.pid);
	}

	/**
	 * Some kills come at a moment of the clock, from the very start of the controller on; some while the results are written; most when the
	 * journal has grown to a random length.
	 */
	private async moment(journalLength: number): Promise<void> {
		const draw = this.random();
		if (draw < 0.3) return this.pass((draw < 0.15 ? 1500 : 6000) * this.random());
		if (draw < 0.4) {
			await this.until(() => this.isOver || !this.controllerLives);
			return this.pass(1500 * this.random());
		}
		const have = this.entries().length;
		// Not always far ahead, or a second kill would mostly find the run at its end.
		const target = have + 1 + Math.floor(this.random() * this.random() * Math.max(8, journalLength));
		return this.until(() => this.entries().length >= target || !this.controllerLives);
	}

	private where(): string {
		const last = this.entries().at(-1);
		if (last === undefined) return 'before its journal began';
		const { record } = last;
		const what = record.kind === 'happening' ? record.happening.event.kind : record.kind;
		return `after record ${last.seq} (${what})`;
	}

	private endedCalls(): readonly string[] {
		return this.entries().flatMap(({ record }) =>
			record.kind === 'happening' && record.happening.event.kind === 'call-ended'
				? [record.happening.event.call]
				: [],
		);
	}

	/** A server that runs, as the journal has it. */
	private engine(): number | null {
		const servers = this.entries().flatMap(({ record }) =>
			record.kind === 'process' && record.record.kind === 'spawned' ? [record.record] : [],
		);
		const alive = servers.filter(({ pid, startTicks }) => isRunning(pid, startTicks));
		return alive[Math.floor(this.random() * alive.length)]?.pid ?? null;
	}

	private entries(): readonly JournalEntry[] {
		try {
			return readJournal(path.join(this.folder, JOURNAL_FILE)).entries;
		} catch {
			// Not begun yet.
			return [];
		}
	}

	private get controllerLives(): boolean {
		return (
			this.controller !== null && this.controller.exitCode === null && this.controller.signalCode === null
		);
	}

	private startController(): void {
		const begun = this.entries().length > 0;
		// Killed before its journal began, nothing had been started: there is nothing to resume.
		if (!begun) rmSync(this.folder, { recursive: true, force: true });
		const anew = [EXPERIMENT, '--seed', String(this.seed), '--speed', SPEED, '--out', this.folder];
		const words = ['live', '--quiet', ...(begun ? ['--resume', this.folder] : anew)];
		this.stderr = '';
		const controller = spawn(process.execPath, ['-r', 'ts-node/register', 'sim/cli/main.ts', ...words], {
			cwd: REPOSITORY,
			stdio: ['ignore', 'ignore', 'pipe'],
			env: { ...process.env, XDG_STATE_HOME: this.stateFolder },
		});
		controller.stderr.on('data', (bytes: Buffer) => {
			this.stderr += bytes;
		});
		this.controller = controller;
	}

	private async toEnd(): Promise<void> {
		await this.until(() => !this.controllerLives);
		const { exitCode, signalCode } = this.controller ?? {};
		if (exitCode !== 0)
			throw new Error(`${this.folder}: its controller ended with ${exitCode ?? signalCode}\n${this.stderr}`);
	}

	private async until(holds: () => boolean): Promise<void> {
		const endMs = performance.now() + LIMIT_MS;
		while (!holds()) {
			if (performance.now() > endMs) throw new Error(`${this.folder}: stands still ${this.where()}`);
			await this.pass(LOOK_MS);
		}
	}

	private pass(milliseconds: number): Promise<void> {
		return new Promise((resolve) => setTimeout(resolve, milliseconds));
	}
}

function kill(pid: number | null | undefined): void {
	if (pid === null || pid === undefined) return;
	try {
		process.kill(pid, 'SIGKILL');
	} catch {
		// Gone already.
	}
}
