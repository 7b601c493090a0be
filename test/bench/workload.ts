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

export interface Lengths {
	readonly promptTokens: Int32Array;
	/** Wanted, before the cap. */
	readonly outputTokens: Int32Array;
}

export function drawLengths(count: number, seed: number): Lengths {
	const random = randomStream(seed, 'bench/lengths');
	const { medianTokens, sd } = REASONING;
	const outputTokens = Int32Array.from({ length: count }, () => {
		const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
		return Math.ceil(medianTokens * Math.exp(sd * normal));
	});
	return { promptTokens: outputTokens.map(() => 80 + Math.floor(random() * 500)), outputTokens };
}

/**
 * Calls with reasoning lengths.
 * @param scale of their output lengths
 * @param shared two calls to each prompt
 */
export function* reasoningCalls(lengths: Lengths, scale: number, shared: boolean): Generator<EngineRequest> {
	const { capTokens } = REASONING;
	for (let index = 0; index < lengths.outputTokens.length; index++) {
		const drawn = shared ? index - (index % 2) : index;
		const promptTokens = lengths.promptTokens[drawn] as number;
		const wanted = lengths.outputTokens[index] as number;
		yield {
			id: `c${index}`,
			promptTokens,
			...(shared ? { promptSegments: [[`q${drawn}`, 0, promptTokens]] } : {}),
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

/**
 * Deals the calls to the engines in turn, and lets them run to the end, always the one that is due first.
 * @param callsPerSecond Poisson arrivals; Infinity: all are there from the start
 */
export function serve(
	engines: readonly EngineModel[],
	calls: Iterable<EngineRequest>,
	callsPerSecond = Number.POSITIVE_INFINITY,
): Outcome {
	const random = randomStream(1, 'bench/arrivals');
	const source = calls[Symbol.iterator]();
	const due = engines.map(() => Number.POSITIVE_INFINITY);
	const tally = { calls: 0, outputTokens: 0, preemptedCalls: 0, endUs: 0 };
	let arrivalUs = 0;
	let dealt = 0;
	let next = source.next();
	for (;;) {
		let first = 0;
		for (let index = 1; index < due.length; index++)
			if ((due[index] as number) < (due[first] as number)) first = index;
		const nowUs = due[first] as number;
		if (!next.done && arrivalUs <= nowUs) {
			const index = dealt++ % engines.length;
			const engine = engines[index] as EngineModel;
			engine.submit(next.value, arrivalUs);
			due[index] = engine.nextUs();
			next = source.next();
			arrivalUs += Math.round((-1e6 * Math.log(1 - random())) / callsPerSecond);
			continue;
		}
		if (nowUs === Number.POSITIVE_INFINITY) break;
		const engine = engines[first] as EngineModel;
		for (const event of engine.advance(nowUs)) {
			if (event.kind === 'rejected') throw new Error(event.reason);
			tally.calls++;
			tally.outputTokens += event.outputTokens;
			if (event.preemptions > 0) tally.preemptedCalls++;
			tally.endUs = event.timeUs;
		}
		due[first] = engine.nextUs();
	}
	const steps = engines.reduce((sum, engine) => sum + engine.gauges().steps, 0);
	return { ...tally, steps };
}
