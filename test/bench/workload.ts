import { randomStream } from '../../sim/core/random.ts';
import type { EngineModel, EngineRequest } from '../../sim/domain/engine.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';

/** A model of 8 billion parameters on a GPU with memory for the context of everybody who runs. */
export const AMPLE: EngineConfig = {
	blockSize: 16,
	numGpuBlocks: 600_000,
	maxNumSeqs: 256,
	maxNumBatchedTokens: 8192,
	maxModelLen: 40_960,
	longPrefillTokenThreshold: 0,
	policy: 'fcfs',
	asyncScheduling: true,
	watermark: 0,
	reserveFullIsl: true,
	prefixCaching: false,
};

export const COST: StepCost = {
	hostUs: 1500,
	hostPerSequenceUs: 10,
	baseUs: 6500,
	perTokenOverKneeUs: 25,
	kneeTokens: 256,
	perDecodeSequenceUs: 8,
	perContextTokenUs: 0.055,
	perPrefillTokenSquaredUs: 0.0002,
	allReduceUs: 0,
};

/** Output tokens of reasoning models: half of the answers within 3,000 tokens, one in a hundred cut at 32,768. */
const REASONING = { medianTokens: 3000, sd: 1.03, capTokens: 32_768 };

/** Calls with reasoning lengths, all there from the start. @param scale of their output lengths */
export function* reasoningCalls(
	count: number,
	seed: number,
	scale = 1,
	shared = false,
): Generator<EngineRequest> {
	const random = randomStream(seed, 'bench/lengths');
	const { medianTokens, sd, capTokens } = REASONING;
	for (let index = 0; index < count; index++) {
		const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
		const wanted = Math.ceil(medianTokens * Math.exp(sd * normal));
		const promptTokens = 80 + Math.floor(random() * 500);
		yield {
			id: `c${index}`,
			promptTokens,
			...(shared ? { promptSegments: [[`q${Math.floor(index / 2)}`, 0, promptTokens]] } : {}),
			outputTokens: Math.min(wanted, capTokens) * scale,
			endsByStop: wanted < capTokens,
			maxOutputTokens: capTokens * scale,
			priority: 0,
		};
	}
}

export interface Outcome {
	readonly calls: number;
	readonly outputTokens: number;
	readonly steps: number;
	readonly preemptedCalls: number;
	readonly endUs: number;
}

/** Deals the calls to the engines in turn, and lets them run to the end, always the one that is due first. */
export function serve(engines: readonly EngineModel[], calls: Iterable<EngineRequest>): Outcome {
	let next = 0;
	for (const call of calls) engines[next++ % engines.length]?.submit(call, 0);
	let ended = 0;
	let outputTokens = 0;
	let preemptedCalls = 0;
	let endUs = 0;
	const due = engines.map((engine) => engine.nextUs());
	for (;;) {
		let first = 0;
		for (let index = 1; index < due.length; index++)
			if ((due[index] as number) < (due[first] as number)) first = index;
		const nowUs = due[first] as number;
		if (nowUs === Number.POSITIVE_INFINITY) break;
		const engine = engines[first] as EngineModel;
		for (const event of engine.advance(nowUs)) {
			if (event.kind === 'rejected') throw new Error(event.reason);
			ended++;
			outputTokens += event.outputTokens;
			if (event.preemptions > 0) preemptedCalls++;
			endUs = event.timeUs;
		}
		due[first] = engine.nextUs();
	}
	const steps = engines.reduce((sum, engine) => sum + engine.gauges().steps, 0);
	return { calls: ended, outputTokens, steps, preemptedCalls, endUs };
}
