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
		const request: EngineRequest = {
			id: `c${index}`,
			promptTokens,
			outputTokens: Math.min(wanted, capTokens) * scale,
			endsByStop: wanted < capTokens,
			maxOutputTokens: capTokens * scale,
			priority: 0,
		};
		yield shared ? { ...request, promptSegments: [[`q${drawn}`, 0, promptTokens]] } : request;
	}
}

export interface Outcome {
	readonly calls: number;
	readonly outputTokens: number;
	readonly steps: number;
	readonly preemptedCalls: number;
	readonly endUs: number;
}

/** Poisson arrivals, one after the other. */
export function poissonArrivalsUs(callsPerSecond: number): () => number {
	const random = randomStream(1, 'bench/arrivals');
	let arrivalUs = 0;
	return () => {
		arrivalUs += Math.round((-1e6 * Math.log(1 - random())) / callsPerSecond);
		return arrivalUs;
	};
}

/**
 * Deals the calls to the engines in turn, and lets them run to the end, always the one that is due first.
 * @param nextArrivalUs when the next call arrives, asked once for each; all are there from the start when not given
 */
export function serve(
	engines: readonly EngineModel[],
	calls: Iterable<EngineRequest>,
	nextArrivalUs: () => number = () => 0,
): Outcome {
	const source = calls[Symbol.iterator]();
	const due = new Soonest(engines.length);
	const tally = { calls: 0, outputTokens: 0, preemptedCalls: 0, endUs: 0 };
	let arrivalUs = nextArrivalUs();
	let dealt = 0;
	let next = source.next();
	for (;;) {
		const nowUs = due.timeUs;
		if (!next.done && arrivalUs <= nowUs) {
			const index = dealt++ % engines.length;
			const engine = engines[index] as EngineModel;
			engine.submit(next.value, arrivalUs);
			due.set(index, engine.nextUs());
			next = source.next();
			arrivalUs = nextArrivalUs();
			continue;
		}
		if (nowUs === Number.POSITIVE_INFINITY) break;
		const first = due.index;
		const engine = engines[first] as EngineModel;
		for (const event of engine.advance(nowUs)) {
			if (event.kind === 'rejected') throw new Error(event.reason);
			tally.calls++;
			tally.outputTokens += event.outputTokens;
			if (event.preemptions > 0) tally.preemptedCalls++;
			tally.endUs = event.timeUs;
		}
		due.set(first, engine.nextUs());
	}
	const steps = engines.reduce((sum, engine) => sum + engine.gauges().steps, 0);
	return { ...tally, steps };
}

/** The soonest of some times, and whose it is: a tournament, so that a change costs the depth of the tree. */
class Soonest {
	private readonly leaves: number;
	private readonly times: Float64Array;

	constructor(count: number) {
		this.leaves = count;
		this.times = new Float64Array(2 * count).fill(Number.POSITIVE_INFINITY);
	}

	get timeUs(): number {
		return this.times[1] as number;
	}

	get index(): number {
		let node = 1;
		while (node < this.leaves) {
			node *= 2;
			if (this.times[node] !== this.timeUs) node++;
		}
		return node - this.leaves;
	}

	set(index: number, timeUs: number): void {
		const { times } = this;
		let node = this.leaves + index;
		times[node] = timeUs;
		for (node >>= 1; node >= 1; node >>= 1)
			times[node] = Math.min(times[2 * node] as number, times[2 * node + 1] as number);
	}
}
