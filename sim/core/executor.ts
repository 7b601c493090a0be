/**
 * The Executor port: the controller's decisions go out through it, happenings come back as ExecutorEvents. The simulated
 * executor (sim/run) and the live one (live/) implement it and never meet.
 */
import type { CallId, GpuId, ModelId, ReplicaId } from '../domain/ids.ts';
import type { ReplicaProfile } from '../domain/model.ts';
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
	sleep(replica: ReplicaId, level: 1 | 2): void;
	wake(replica: ReplicaId): void;
	dispatch(call: Call, replica: ReplicaId): void;
	cancel(call: CallId): void;
}

export type ExecutorEvent =
	| { readonly kind: 'replica-awake'; readonly timeUs: TimeUs; readonly replica: ReplicaId }
	| {
			readonly kind: 'replica-asleep';
			readonly timeUs: TimeUs;
			readonly replica: ReplicaId;
			readonly level: 1 | 2;
	  }
	| { readonly kind: 'replica-stopped'; readonly timeUs: TimeUs; readonly replica: ReplicaId }
	| {
			readonly kind: 'replica-failed';
			readonly timeUs: TimeUs;
			readonly replica: ReplicaId;
			readonly reason: string;
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

/** What serving one call took. */
export interface CallWork {
	readonly startedUs: TimeUs;
	readonly firstTokenUs: TimeUs;
	readonly cachedPromptTokens: number;
	readonly recomputedTokens: number;
	readonly preemptions: number;
	/** Tokens produced, also when cancelled. */
	readonly outputTokens: number;
}
