import type { BackendName } from '../../sim/domain/live.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { Happening, ProcessRecord } from '../happening.ts';

export const JOURNAL_FORMAT = 1;
export const JOURNAL_FILE = 'journal.jsonl';

/** What a run is: the first record. */
export interface JournalHeader {
	readonly kind: 'header';
	readonly format: typeof JOURNAL_FORMAT;
	/** In the environment (MOSAIC_RUN_ID) of every process that the run starts. */
	readonly runId: string;
	/** Version of the program that began the run. */
	readonly version: string;
	readonly experiment: string;
	/** Of everything that decides what is run: see `setupHash`. */
	readonly setupHash: string;
	readonly resolved: Readonly<Record<string, unknown>>;
	readonly scheduler: string;
	readonly gate: string;
	readonly seed: number;
	readonly backend: BackendName;
	readonly speed: number;
	/** `--set path=value` as typed, for people: `resolved` holds what came of them. */
	readonly sets: readonly string[];
}

/** A controller begins or takes over. */
export interface ControllerRecord {
	readonly kind: 'controller';
	readonly pid: number;
	/** As ProcessRecord's. */
	readonly startTicks: number | null;
	readonly version: string;
	/** Run time at which it begins. The wall time between two controllers is no part of the run. */
	readonly timeUs: TimeUs;
}

/** What the controller of sim/core is told, in this order; decisions are a function of these records alone. */
export type JournalInput =
	| {
			readonly kind: 'plan';
			readonly timeUs: TimeUs;
			readonly plan: Plan;
			/** What planning took on the wall's clock; `plan.evidence.solveSeconds` is what the run is charged. */
			readonly measuredSolveSeconds: number;
	  }
	/** Queries `from` to `to - 1` of the workload arrived. */
	| { readonly kind: 'arrivals'; readonly timeUs: TimeUs; readonly from: number; readonly to: number }
	| { readonly kind: 'happening'; readonly timeUs: TimeUs; readonly happening: Happening };

/** What the scheduler ordered after an input; written before it is carried out. */
export interface OrdersRecord {
	readonly kind: 'orders';
	/** Sequence number of the input. */
	readonly after: number;
	/** One line each, see `orderText`. */
	readonly orders: readonly string[];
}

export type JournalRecord =
	| JournalHeader
	| ControllerRecord
	| JournalInput
	| OrdersRecord
	| { readonly kind: 'process'; readonly record: ProcessRecord }
	/** Stopped on request; nothing of it runs any more. */
	| { readonly kind: 'interrupted'; readonly timeUs: TimeUs }
	/** Every query is settled and nothing of it runs any more; what remains is to write the results. */
	| { readonly kind: 'end'; readonly timeUs: TimeUs };

export interface JournalEntry {
	/** From 1, without gaps. */
	readonly seq: number;
	readonly record: JournalRecord;
}
