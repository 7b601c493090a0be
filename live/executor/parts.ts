import type { UsageError } from '../../sim/domain/errors.ts';
import type { LiveSettings } from '../../sim/domain/live.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { Backend } from '../backend.ts';
import type { LiveClock } from '../clock.ts';
import type { CallContent } from '../content.ts';
import type { Happening, ProcessRecord } from '../happening.ts';

export interface LiveExecutorParts {
	readonly backend: Backend;
	readonly clock: LiveClock;
	readonly content: CallContent;
	readonly settings: LiveSettings;
	/** All processes carry it in their environment. */
	readonly runId: string;
	/** Exists. One log per start of a server goes here. */
	readonly logFolder: string;
	/** Between two readings of an engine's gauges, in run time. */
	readonly sampleUs: TimeUs;
	/** Called in order, never from inside a method of the executor, and not after `close` was called. */
	readonly happened: (happening: Happening) => void;
	/** Returns when the record is on disk. */
	readonly process: (record: ProcessRecord) => void;
	readonly environment: Readonly<Record<string, string | undefined>>;
	/** A server contradicts the experiment (another model, other settings than the profile's): the user's mistake, which no restart repairs. */
	readonly mistake?: (error: UsageError) => void;
	/** What nobody foresaw, such as a disk that is full: the run cannot go on. Absent: it is thrown where nobody catches it. */
	readonly broken?: (error: unknown) => void;
}
