import type { PromptSegment } from './engine.ts';
import type { EngineConfig } from './model.ts';
import type { TimeUs } from './units.ts';

/** One call to a real server, as its client saw it. Times since the start of the run. */
export interface MeasuredCall {
	readonly id: string;
	readonly sentUs: TimeUs;
	readonly firstTokenUs: TimeUs;
	readonly lastTokenUs: TimeUs;
	readonly promptTokens: number;
	readonly promptSegments: readonly PromptSegment[];
	/** Prompt tokens that the server found in its prefix cache. */
	readonly cachedPromptTokens: number;
	readonly outputTokens: number;
}

/** One iteration of a real engine, from its log. A request that is computed again after a preemption counts as decoding. */
export interface MeasuredStep {
	readonly prefillSequences: number;
	readonly prefillTokens: number;
	readonly decodeSequences: number;
	/** As many as `decodeSequences`, and more where preempted requests are computed again. */
	readonly decodeTokens: number;
	/** Without scheduling and without the way to the client. Microseconds. */
	readonly modelUs: number;
}

/** A real server under load, from its start to its last answer. */
export interface MeasuredRun {
	readonly name: string;
	/** Where it was read, `file:line`, for messages. */
	readonly place: string;
	/** What ran on what: runs of one server kind share their step costs. */
	readonly server: string;
	readonly config: EngineConfig;
	readonly calls: readonly MeasuredCall[];
	readonly steps: readonly MeasuredStep[];
	readonly preemptions: number;
}

/** Steady serving of equal requests, a fixed number of them in flight: what load generators report. */
export interface MeasuredServing {
	/** Where it was read, `file:line`, for messages. */
	readonly place: string;
	readonly model: string;
	readonly gpu: string;
	readonly promptTokens: number;
	readonly outputTokens: number;
	readonly concurrency: number;
	/** Mean time to the first token. */
	readonly ttftMs: number;
	/** Mean time per output token after the first. */
	readonly tpotMs: number;
}
