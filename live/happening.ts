import type { ExecutorEvent, ReplicaStart } from '../sim/core/executor.ts';
import type { CallId, GpuId, ReplicaId } from '../sim/domain/ids.ts';
import type { Call } from '../sim/domain/work.ts';
import type { CallReply, CarriedOutput } from './content.ts';

/** One entry of the inbox: what happened outside, with the words that came with it. Journalled before it is applied. */
export interface Happening {
	readonly event: ExecutorEvent;
	/** Of a call that finished. */
	readonly reply?: CallReply;
	/** Of a call that moved or was parked. */
	readonly carried?: CarriedCall;
}

/** What a call that moved or was parked has with it. In the journal, so that a resumed run goes on with it too. */
export interface CarriedCall {
	/** Null: nothing yet, or its server does not tell tokens, so it begins again. */
	readonly output: CarriedOutput | null;
	/** By all moves and parkings so far: prompt and output of each place where it had begun. */
	readonly recomputedTokens: number;
	readonly migrations: number;
}

export const carriedTokens = (carried: CarriedCall | null | undefined): number =>
	carried?.output?.tokenIds.length ?? 0;

/**
 * Life of a server process, journalled before it is relied on: `spawning` is on disk before the process exists. All processes of a run carry
 * MOSAIC_RUN_ID in their environment, so a controller that died between the two leaves nothing that cannot be found.
 */
export type ProcessRecord =
	| {
			readonly kind: 'spawning';
			readonly replica: ReplicaId;
			readonly gpus: readonly GpuId[];
			readonly port: number;
			/** Without secrets. */
			readonly command: readonly string[];
			readonly logFile: string;
	  }
	| {
			readonly kind: 'spawned';
			readonly replica: ReplicaId;
			/** Also the process group. */
			readonly pid: number;
			/** Start time in clock ticks since boot (field 22 of /proc/PID/stat), which tells a process from a later one of the same number; null where there is no /proc. */
			readonly startTicks: number | null;
	  }
	| { readonly kind: 'exited'; readonly replica: ReplicaId; readonly pid: number; readonly how: string };

/** A replica as the journal left it, for an executor that takes over from one that died. */
export interface RestoredReplica {
	readonly start: ReplicaStart;
	readonly state: 'loading' | 'awake' | 'falling-asleep' | 'asleep-1' | 'asleep-2' | 'waking' | 'stopping';
	/** Dispatched and not ended: to be sent again, to this replica. */
	readonly openCalls: readonly Call[];
	/** Of those that moved there. */
	readonly carried: ReadonlyMap<CallId, CarriedCall>;
	/** Told to stop; their end was not seen. */
	readonly cancelling: readonly Call[];
}

/** One line of progress about each GPU. */
export interface ReplicaSnapshot {
	readonly replica: ReplicaId;
	readonly model: string;
	readonly gpus: readonly GpuId[];
	readonly state: string;
	readonly runningCalls: number;
	readonly waitingCalls: number;
	/** Over the last sampling interval, in tokens per second of run time. */
	readonly tokensPerSecond: number;
}
