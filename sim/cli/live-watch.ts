import type { Happening, ProcessRecord } from '../../live/happening.ts';
import type { LiveProgress } from '../../live/run/parts.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Forecaster } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Arguments } from './arguments.ts';
import type { Io } from './io.ts';
import { FailureNote } from './live-failure-note.ts';
import { liveLines } from './live-lines.ts';
import { type Screen, startScreen } from './live-screen.ts';
import { TimeLeftEstimate } from './live-time-left.ts';
import { shownPath } from './run-folder.ts';

export interface LiveWatchParts {
	readonly setup: Setup;
	readonly forecaster: Forecaster;
	readonly speed: number;
	readonly args: Arguments;
	readonly io: Io;
}

/** What a person sees of a live run while it runs. */
export class LiveWatch {
	private readonly parts: LiveWatchParts;
	private readonly left: TimeLeftEstimate;
	private readonly note: FailureNote;
	private screen: Screen | null = null;

	constructor(parts: LiveWatchParts) {
		this.parts = parts;
		this.left = new TimeLeftEstimate(parts.setup, parts.forecaster);
		this.note = new FailureNote((file) => shownPath(file, parts.io.cwd));
	}

	/** Draws the run from now on. */
	start(progressOf: () => LiveProgress): void {
		const { setup, speed, args, io } = this.parts;
		const draw = (width: number, height: number): readonly string[] => {
			const progress = progressOf();
			const left = this.left.at(progress.nowUs, progress.plan);
			return liveLines({ setup, progress, left, speed, width, height });
		};
		this.screen = startScreen(draw, args, io);
	}

	stop(): void {
		this.screen?.stop();
	}

	record(record: RunRecord): void {
		this.left.take(record);
	}

	process(record: ProcessRecord): void {
		this.note.keep(record);
	}

	happening(happening: Happening): void {
		const said = this.note.take(happening);
		if (said !== null && !this.parts.args.flag('quiet')) this.screen?.say(said);
	}
}
