import type { Judge } from '../../sim/core/controller.ts';
import type { Executor } from '../../sim/core/executor.ts';
import type { UsageError } from '../../sim/domain/errors.ts';
import type { CallId } from '../../sim/domain/ids.ts';
import type { BackendName } from '../../sim/domain/live.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { MakespanBound, RunRecord } from '../../sim/domain/run-log.ts';
import type { Forecaster, Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { Gate } from '../../sim/domain/work.ts';
import type { LiveClock } from '../clock.ts';
import type { CallContent } from '../content.ts';
import type {
	CarriedCall,
	Happening,
	ProcessRecord,
	ReplicaSnapshot,
	RestoredReplica,
} from '../happening.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalEntry } from '../journal/records.ts';

/** What carries a live run's orders out. */
export interface LiveHands extends Executor {
	/** Takes over replicas and calls from a controller that is gone, before anything else is ordered. */
	restore(replicas: readonly RestoredReplica[], parked: ReadonlyMap<CallId, CarriedCall>): void;
	snapshot(): readonly ReplicaSnapshot[];
	/** Ends everything that runs; resolves when it is gone. */
	close(): Promise<void>;
}

/** What `LiveHands` are given. */
export interface HandsParts {
	readonly clock: LiveClock;
	/** Never called from inside one of their own methods; in order. */
	readonly happened: (happening: Happening) => void;
	/** Returns when the record is on disk. */
	readonly process: (record: ProcessRecord) => void;
	/** The user's mistake has shown itself in a server: the run ends. */
	readonly mistake: (error: UsageError) => void;
	/** What nobody foresaw: the run ends. */
	readonly broken: (error: unknown) => void;
}

export interface LiveRunParts {
	readonly setup: Setup;
	readonly scheduler: Scheduler;
	readonly gate: Gate;
	readonly judge: Judge;
	readonly forecaster: Forecaster;
	readonly content: CallContent;
	readonly backend: BackendName;
	readonly version: string;
	/** Open, with `past` in it. */
	readonly journal: Journal;
	/** The header, and what follows it when the run is resumed. */
	readonly past: readonly JournalEntry[];
	readonly self: { readonly pid: number; readonly startTicks: number | null };
	readonly startClock: (startUs: TimeUs) => LiveClock;
	readonly createHands: (parts: HandsParts) => LiveHands;
	/** Every record of the run log, in order; when resumed, from its first one. */
	readonly onRecord: (record: RunRecord) => void;
	/** Every happening after it was applied, those of the journal (`past`) included. */
	readonly onHappening?: (happening: Happening, past: boolean) => void;
	readonly onProcess?: (record: ProcessRecord) => void;
	readonly bound?: MakespanBound;
	/** When aborted, everything is stopped politely; the journal can be resumed. A scheduler that plans should reject with its reason. */
	readonly signal: AbortSignal;
}

export interface LiveOutcome {
	readonly status: 'complete' | 'interrupted';
	readonly endUs: TimeUs;
	/** Null when it was interrupted before there was one. */
	readonly plan: Plan | null;
	readonly measuredSolveSeconds: number;
	readonly failedCalls: number;
}

/** Where a run stands, for people. */
export interface LiveProgress {
	readonly nowUs: TimeUs;
	readonly settledQueries: number;
	readonly plan: Plan | null;
	readonly replicas: readonly ReplicaSnapshot[];
}
