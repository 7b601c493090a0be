/**
 * The Executor port: the controller's decisions go out through it, happenings come back as ExecutorEvents. The simulated
 * executor (sim/run) and the live one (live/) implement it and never meet.
 */
import type { CallId, GpuId, ModelId, ReplicaId } from '../domain/ids.ts';
import type { ReplicaProfile, SleepLevel } from '../domain/model.ts';
import type { EngineSample } from '../domain/run-log.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Call, CallOutcome } from '../domain/work.ts';

export interface ReplicaStart {
	readonly replica: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly profile: ReplicaProfile;
}

/** Every method returns at once; what comes of it is reported as an event. */
export interface Executor {
	start(start: ReplicaStart): void;
	stop(replica: ReplicaId): void;
	sleep(replica: ReplicaId, level: SleepLevel): void;
	wake(replica: ReplicaId): void;
	dispatch(call: Call, replica: ReplicaId): void;
	/**
	 * Ends a dispatched call; it is reported. Of one that was parked, or is about to be, it forgets what it keeps: nothing is reported that would not
	 * have been without.
	 */
	cancel(call: CallId): void;
	/**
	 * Ends a dispatched call where it is and goes on with it on another awake replica of its model, its tokens so far being part of the prompt.
	 * Reports `call-migrated`; a call that has just ended or come back is left alone.
	 */
	migrate(call: CallId, to: ReplicaId): void;
	/**
	 * Ends a dispatched call where it is and keeps what it has until it is dispatched again, which is not before that was reported (`call-parked`); a
	 * call that has just ended or come back is left alone.
	 */
	park(call: CallId): void;
}

export type ExecutorEvent =
	| { readonly kind: 'replica-awake'; readonly timeUs: TimeUs; readonly replica: ReplicaId }
	| {
			readonly kind: 'replica-asleep';
			readonly timeUs: TimeUs;
			readonly replica: ReplicaId;
			readonly level: SleepLevel;
	  }
	| { readonly kind: 'replica-stopped'; readonly timeUs: TimeUs; readonly replica: ReplicaId }
	| {
			readonly kind: 'replica-failed';
			readonly timeUs: TimeUs;
			readonly replica: ReplicaId;
			readonly reason: string;
	  }
	/** Its engine died or hung and is brought up again under the same id; calls dispatched to it stay with it. */
	| {
			readonly kind: 'replica-restarting';
			readonly timeUs: TimeUs;
			readonly replica: ReplicaId;
			readonly reason: string;
	  }
	/** A dispatched call that its replica can no longer serve: it may be dispatched again, elsewhere. `replica-failed` follows at once. */
	| {
			readonly kind: 'call-returned';
			readonly timeUs: TimeUs;
			readonly call: CallId;
			readonly replica: ReplicaId;
			readonly reason: string;
			/** Tokens it had produced, now lost. */
			readonly outputTokens: number;
	  }
	| {
			readonly kind: 'call-migrated';
			readonly timeUs: TimeUs;
			readonly call: CallId;
			readonly from: ReplicaId;
			readonly replica: ReplicaId;
			/** Tokens that it has by now, from all replicas. */
			readonly outputTokens: number;
	  }
	| {
			readonly kind: 'call-parked';
			readonly timeUs: TimeUs;
			readonly call: CallId;
			readonly replica: ReplicaId;
			/** Tokens that it has by now, from all replicas. */
			readonly outputTokens: number;
	  }
	| {
			readonly kind: 'engine-active';
			readonly timeUs: TimeUs;
			readonly replica: ReplicaId;
			readonly active: boolean;
	  }
	| ({ readonly kind: 'engine-sample' } & Omit<EngineSample, 'type'>)
	| {
			readonly kind: 'call-ended';
			readonly timeUs: TimeUs;
			readonly call: CallId;
			readonly replica: ReplicaId;
			readonly outcome: CallOutcome;
			/** What the engine did for it; null for a call that never ran. */
			readonly work: CallWork | null;
	  };

/**
 * Whether the scheduler is asked after this event as such. Not when only an engine's gauges moved or an order to move or park a call was carried out; nor when
 * a call came back, as the failure of its replica, which still looks awake, is the next event.
 */
export const asksScheduler = ({ kind }: ExecutorEvent): boolean => !SILENT.has(kind);

const SILENT: ReadonlySet<ExecutorEvent['kind']> = new Set([
	'engine-active',
	'engine-sample',
	'call-migrated',
	'call-parked',
	'call-returned',
]);

/** What serving one call took. */
export interface CallWork {
	readonly startedUs: TimeUs;
	/** As the engine counted them, where that is another number than planned. */
	readonly promptTokens?: number;
	readonly firstTokenUs: TimeUs;
	readonly cachedPromptTokens: number;
	readonly recomputedTokens: number;
	readonly preemptions: number;
	/** Times it moved; absent: never. */
	readonly migrations?: number;
	/** Tokens produced, also when cancelled; those it brought along when it moved included. */
	readonly outputTokens: number;
}
