import type { Journal } from '../../../live/journal/journal.ts';
import { journalLine, readJournalLine } from '../../../live/journal/line.ts';
import type { JournalEntry, JournalHeader, JournalRecord } from '../../../live/journal/records.ts';
import { LiveRun } from '../../../live/run/live-run.ts';
import type { LiveOutcome } from '../../../live/run/parts.ts';
import { createGate } from '../../../sim/aggregate/index.ts';
import { createJudge } from '../../../sim/core/judge.ts';
import { present, UsageError } from '../../../sim/domain/errors.ts';
import type { ReplicaId } from '../../../sim/domain/ids.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import type { Scheduler } from '../../../sim/domain/scheduler.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { createEngine } from '../../../sim/engine/index.ts';
import { createForecaster } from '../../../sim/run/forecaster.ts';
import { createScheduler } from '../../../solver/index.ts';
import { ScriptedContent } from './scripted-content.ts';
import { VirtualWorld } from './virtual-hands.ts';

export const HEADER: JournalHeader = {
	kind: 'header',
	format: 1,
	runId: 'test',
	version: 'test',
	experiment: 'test',
	setupHash: '',
	resolved: {},
	scheduler: 'test',
	gate: 'test',
	seed: 0,
	backend: 'emulator',
	speed: 1,
	sets: [],
};

/** A journal in memory. Every line goes through the real encoding, so that what is read back is what a file would hold. */
export class MemoryJournal implements Journal {
	readonly lines: string[] = [];
	commits = 0;
	onCommit: () => void = () => undefined;

	constructor(past: readonly JournalEntry[] = []) {
		for (const { record } of past) this.append(record);
	}

	append(record: JournalRecord): number {
		const seq = this.lines.length + 1;
		this.lines.push(journalLine({ seq, record }));
		return seq;
	}

	get entries(): JournalEntry[] {
		return this.lines.map((line) => present(readJournalLine(line), 'entry'));
	}

	flush(): void {}
	async commit(): Promise<void> {
		this.commits++;
		this.onCommit();
	}
	commitNow(): void {}
	close(): void {}
}

export interface DriveOptions {
	readonly setup: Setup;
	readonly scheduler?: string | Scheduler;
	readonly gate?: string;
	readonly past?: readonly JournalEntry[];
	/** Stops the run politely as soon as its journal is so long. */
	readonly interruptAtRecord?: number;
	/** While the journal is brought to the disk for the so manieth time, a server shows a mistake of the user's. */
	readonly mistakeAtCommit?: number;
	/** A replica whose engine dies for good so long after this controller began to serve. */
	readonly dies?: { readonly replica: ReplicaId; readonly afterUs: number };
	/** See VirtualWorld. */
	readonly skewUs?: number;
}

export interface Driven {
	readonly outcome: LiveOutcome;
	readonly records: readonly RunRecord[];
	readonly journal: readonly JournalEntry[];
	readonly world: VirtualWorld;
	/** Times the journal was brought to the disk. */
	readonly commits: number;
}

/** Runs a live run to its end in virtual time. */
export async function drive({
	setup,
	past,
	interruptAtRecord,
	mistakeAtCommit,
	dies,
	skewUs = 0,
	...names
}: DriveOptions): Promise<Driven> {
	const journal = new MemoryJournal(past ?? [{ seq: 1, record: HEADER }]);
	const content = new ScriptedContent(setup);
	const world = new VirtualWorld(setup, content, skewUs);
	const records: RunRecord[] = [];
	const stop = new AbortController();
	const { scheduler = 'round-robin', gate = 'unanimous' } = names;
	const run = new LiveRun({
		setup,
		scheduler:
			typeof scheduler === 'string' ? createScheduler(scheduler, { clockSeconds: () => 0 }) : scheduler,
		gate: createGate(gate),
		judge: createJudge(setup),
		forecaster: createForecaster(setup, (config, step) => createEngine('leaping', config, step)),
		content,
		backend: 'emulator',
		version: 'test',
		journal,
		past: journal.entries,
		self: { pid: 1, startTicks: null },
		startClock: (startUs) => {
			const clock = world.startClock(startUs);
			if (dies !== undefined) clock.after(dies.afterUs, () => world.fail(dies.replica));
			return clock;
		},
		createHands: (hands) => {
			journal.onCommit = () => {
				if (journal.commits === mistakeAtCommit) hands.mistake(new UsageError('E_TEST', 'a mistake'));
			};
			return world.createHands(hands);
		},
		onRecord: (record) => records.push(record),
		signal: stop.signal,
	});
	let running = true;
	const ending = run.run().finally(() => {
		running = false;
	});
	ending.catch(() => undefined);
	for (;;) {
		// A turn of the loop for the inbox, and those that its promises take.
		for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
		if (!running) break;
		if (interruptAtRecord !== undefined && journal.lines.length >= interruptAtRecord) stop.abort();
		else if (!world.step() && !(await stillPlanning(() => running))) break;
	}
	return { outcome: await ending, records, journal: journal.entries, world, commits: journal.commits };
}

/** A solver may work outside this thread: real time passes until it is done. @returns false when nothing came of it */
async function stillPlanning(running: () => boolean): Promise<boolean> {
	for (let wait = 0; wait < 2000 && running(); wait++) await new Promise((resolve) => setTimeout(resolve, 1));
	return running();
}
