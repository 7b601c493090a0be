/** Small helpers to run engines and schedulers in tests. */
import type { EngineEvent, EngineModel, EngineRequest } from '../../sim/domain/engine.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import type { SchedulerCore } from '../../sim/engine/scheduler-core.ts';
import { StepBatch } from '../../sim/engine/step-batch.ts';

export const CONFIG: EngineConfig = {
	blockSize: 4,
	numGpuBlocks: 101,
	maxNumSeqs: 8,
	maxNumBatchedTokens: 16,
	maxModelLen: 200,
	longPrefillTokenThreshold: 0,
	policy: 'fcfs',
	asyncScheduling: false,
	watermark: 0,
	reserveFullIsl: true,
	prefixCaching: false,
};

/** Every coefficient distinct and not a whole number, so that no term can be lost or stand in for another. */
export const COST: StepCost = {
	hostUs: 3500.25,
	hostPerSequenceUs: 17.5,
	baseUs: 9000.125,
	perTokenOverKneeUs: 31.7,
	kneeTokens: 6,
	perDecodeSequenceUs: 11.3,
	perContextTokenUs: 0.9,
	perPrefillTokenSquaredUs: 0.37,
	allReduceUs: 101.5,
};

export function request(
	id: string,
	promptTokens: number,
	outputTokens: number,
	more: Partial<EngineRequest> = {},
): EngineRequest {
	return {
		id,
		promptTokens,
		outputTokens,
		endsByStop: false,
		maxOutputTokens: outputTokens,
		priority: 0,
		...more,
	};
}

/** Schedules one step. @returns `id:tokens` of each entry, and the batch */
export function scheduleStep(core: SchedulerCore): { text: string; batch: StepBatch } {
	const batch = new StepBatch(64);
	core.schedule(batch);
	const entries = batch.sequences
		.slice(0, batch.count)
		.map((sequence, index) => `${sequence.id}:${batch.granted[index]}`);
	return { text: entries.join(' '), batch };
}

/** Schedules and processes one synchronous step. */
export function step(core: SchedulerCore): string {
	const { text, batch } = scheduleStep(core);
	core.processOutput(batch);
	return text;
}

export interface Happening {
	readonly atUs: number;
	readonly submit?: EngineRequest;
	readonly abort?: string;
}

export interface Driven {
	readonly events: readonly EngineEvent[];
	/** Output tokens of the aborted requests that were still open. */
	readonly aborted: ReadonlyMap<string, number>;
}

/** Plays the clock's owner: everything given for an instant happens before the engine moves at that instant. */
export function drive(
	engine: EngineModel,
	happenings: readonly Happening[],
	look: () => void = () => {},
): Driven {
	const events: EngineEvent[] = [];
	const aborted = new Map<string, number>();
	const queue = [...happenings].sort((a, b) => a.atUs - b.atUs);
	for (let moves = 0; moves < 50_000; moves++) {
		const next = queue[0];
		const dueUs = engine.nextUs();
		if (next !== undefined && next.atUs <= dueUs) {
			queue.shift();
			if (next.submit !== undefined) engine.submit(next.submit, next.atUs);
			if (next.abort !== undefined) {
				const tokens = engine.abort(next.abort, next.atUs);
				if (tokens !== undefined) aborted.set(next.abort, tokens);
			}
		} else if (dueUs < Number.POSITIVE_INFINITY) events.push(...engine.advance(dueUs));
		else return { events, aborted };
		look();
	}
	throw new Error('the engine does not come to an end');
}
