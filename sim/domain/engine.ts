/**
 * ONE vLLM engine as a model: the port between whoever holds the clock (simulated executor, forecaster, emulator) and the
 * two executions of the model in sim/engine (stepwise, leaping).
 */
import type { EngineConfig, StepCost } from './model.ts';
import type { TimeUs } from './units.ts';
import type { FinishReason } from './work.ts';

/**
 * Prompt tokens by identity, for the prefix cache: token i of a stream is the same wherever the stream appears and
 * differs from all other tokens. `[stream, from, length]`.
 */
export type PromptSegment = readonly [stream: string, from: number, length: number];

export interface EngineRequest {
	readonly id: string;
	readonly promptTokens: number;
	/** Needed only when prefix caching is on; lengths add up to promptTokens. Absent: no token is shared with anyone. */
	readonly promptSegments?: readonly PromptSegment[];
	/** Tokens it really produces when nothing cuts it; the last is an end-of-sequence token when `endsByStop`. */
	readonly outputTokens: number;
	/** true: ends with a stop token the scheduler cannot foresee; false: ends because maxOutputTokens is reached. */
	readonly endsByStop: boolean;
	readonly maxOutputTokens: number;
	/** Lower goes first under the `priority` policy. */
	readonly priority: number;
}

export type EngineEvent =
	| {
			readonly kind: 'finished';
			readonly timeUs: TimeUs;
			readonly id: string;
			readonly outputTokens: number;
			readonly finishReason: FinishReason;
			readonly startedUs: TimeUs;
			readonly firstTokenUs: TimeUs;
			readonly cachedPromptTokens: number;
			readonly recomputedTokens: number;
			readonly preemptions: number;
	  }
	/** Refused at submission as vLLM refuses it: prompt longer than the context, or it can never fit the blocks. */
	| { readonly kind: 'rejected'; readonly timeUs: TimeUs; readonly id: string; readonly reason: string };

export interface EngineGauges {
	readonly running: number;
	readonly waiting: number;
	readonly usedBlocks: number;
	readonly totalBlocks: number;
	readonly steps: number;
	readonly preemptions: number;
	readonly busyUs: number;
}

/**
 * Protocol: the clock's owner calls `submit`/`abort` at the present time, then reads `nextUs()` and calls `advance(t)` when its
 * clock reaches that time (never later than it, never with a smaller t than before). A step starts after all submissions of the
 * same instant: submitting to an idle engine makes `nextUs()` the present time.
 */
export interface EngineModel {
	submit(request: EngineRequest, nowUs: TimeUs): void;
	/** @returns output tokens it had produced; undefined when the request is unknown or has ended */
	abort(id: string, nowUs: TimeUs): number | undefined;
	/** Output tokens that the client has of an open request after everything up to and including `nowUs`; undefined when it is unknown or has ended. */
	outputTokens(id: string, nowUs: TimeUs): number | undefined;
	/** When something happens next if nothing is submitted; Infinity when idle. Whole microseconds. */
	nextUs(): TimeUs;
	/** Whether that moment reports an event; otherwise it only has to be passed. */
	nextEndsSome(): boolean;
	/** Carries out everything up to and including `nowUs`. */
	advance(nowUs: TimeUs): readonly EngineEvent[];
	/** State after everything up to and including `nowUs` (default: the time of the last call); `advance` first when something is due. */
	gauges(nowUs?: TimeUs): EngineGauges;
}

export type EngineMode = 'stepwise' | 'leaping';

export type EngineFactory = (config: EngineConfig, step: StepCost) => EngineModel;
