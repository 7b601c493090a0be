/**
 * Random workloads for two executions of the engine model, which must not be told apart: by the same calls at the same
 * times they report the same events and show the same gauges.
 */
import { randomStream } from '../../sim/core/random.ts';
import type {
	EngineEvent,
	EngineFactory,
	EngineGauges,
	EngineModel,
	EngineRequest,
	PromptSegment,
} from '../../sim/domain/engine.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { checkEngineConfig, outputStream } from '../../sim/engine/index.ts';

/** What is done at an instant; gauges and output tokens are read when everything of the instant is done. */
export type Deed =
	| { readonly atUs: number; readonly kind: 'submit'; readonly request: EngineRequest }
	| { readonly atUs: number; readonly kind: 'abort'; readonly id: string }
	| { readonly atUs: number; readonly kind: 'look' }
	| { readonly atUs: number; readonly kind: 'ask'; readonly id: string };

export interface Workload {
	readonly config: EngineConfig;
	readonly cost: StepCost;
	readonly deeds: readonly Deed[];
}

export interface Witness {
	readonly events: readonly EngineEvent[];
	/** Output tokens of each aborted request; undefined when it had ended. */
	readonly aborts: readonly (number | undefined)[];
	readonly looks: readonly EngineGauges[];
	/** Output tokens of each request asked for; undefined when it was not open. */
	readonly asks: readonly (number | undefined)[];
}

export function witness(createEngine: EngineFactory, { config, cost, deeds }: Workload): Witness {
	const engine = createEngine(config, cost);
	const events: EngineEvent[] = [];
	const aborts: (number | undefined)[] = [];
	const looks: EngineGauges[] = [];
	const asks: (number | undefined)[] = [];
	for (const deed of deeds) {
		// A look comes after what its own instant brings, anything else before it.
		const onlyLooks = deed.kind === 'look' || deed.kind === 'ask';
		run(engine, onlyLooks ? deed.atUs : deed.atUs - 1, events);
		if (deed.kind === 'submit') engine.submit(deed.request, deed.atUs);
		else if (deed.kind === 'abort') aborts.push(engine.abort(deed.id, deed.atUs));
		else if (deed.kind === 'ask') asks.push(engine.outputTokens(deed.id, deed.atUs));
		else looks.push(engine.gauges(deed.atUs));
	}
	run(engine, Number.MAX_SAFE_INTEGER, events);
	looks.push(engine.gauges());
	return { events, aborts, looks, asks };
}

/** The same without asking for output tokens, which must change nothing. */
export function unasked(workload: Workload): Workload {
	return { ...workload, deeds: workload.deeds.filter(({ kind }) => kind !== 'ask') };
}

/** @throws when a due moment that promised an event brings none */
function run(engine: EngineModel, untilUs: number, events: EngineEvent[]): void {
	for (let dueUs = engine.nextUs(); dueUs <= untilUs; dueUs = engine.nextUs()) {
		const endsSome = engine.nextEndsSome();
		const reported = engine.advance(dueUs);
		if (endsSome !== reported.length > 0) throw new Error(`events at ${dueUs}: promised ${endsSome}`);
		events.push(...reported);
	}
}

/** Workload number `index` of a seed: small enough for the stepwise engine, with every setting and every kind of trouble. */
export function randomWorkload(seed: number, index: number): Workload {
	const random = randomStream(seed, `engine-workload/${index}`);
	const whole = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
	const pick = <T>(...choices: readonly T[]): T => choices[whole(0, choices.length - 1)] as T;
	const chance = (share: number) => random() < share;

	const blockSize = pick(1, 2, 3, 4, 8, 16, 16);
	const maxModelLen = pick(40, 100, 300, 1000);
	const maxNumSeqs = pick(1, 2, 4, 8, 24);
	const leastBlocks = Math.ceil((maxModelLen - 1) / blockSize) + 1;
	const config: EngineConfig = {
		blockSize,
		numGpuBlocks: leastBlocks + Math.floor((random() ** 2 * maxNumSeqs * maxModelLen) / blockSize),
		maxNumSeqs,
		maxNumBatchedTokens: maxNumSeqs + pick(0, 3, 20, 100, 2000),
		maxModelLen,
		longPrefillTokenThreshold: pick(0, 0, 0, 1, 7, 40),
		policy: pick('fcfs', 'fcfs', 'priority'),
		asyncScheduling: chance(0.5),
		watermark: pick(0, 0, 0.05, 0.3),
		reserveFullIsl: chance(0.5),
		prefixCaching: chance(0.4),
	};
	checkEngineConfig(config);

	// Whole milliseconds, so that happenings and steps meet at the same microsecond; or times that never come out even.
	const isEven = chance(0.3);
	const us = (most: number) => (isEven ? 1000 * whole(0, Math.ceil(most / 1000)) : random() * most);
	const graphs = randomStream(seed, `engine-graphs/${index}`);
	const cost: StepCost = {
		hostUs: us(5000),
		hostPerSequenceUs: us(100),
		baseUs: 1000 + us(5000),
		perTokenOverKneeUs: us(30),
		kneeTokens: whole(0, 50),
		perDecodeSequenceUs: us(40),
		perContextTokenUs: isEven ? 0 : pick(0, random() * 3, random() * 30),
		perPrefillTokenSquaredUs: isEven ? 0 : random(),
		allReduceUs: us(300),
		graphLimitSequences: [0, 1, 2, 5, 8, 20, 512][Math.floor(graphs() * 7)] as number,
	};

	const requestCount = whole(1, 30);
	const spanUs = pick(0, 20_000, 300_000, 2_000_000);
	const moment = () => (isEven ? 1000 * whole(0, spanUs / 1000) : whole(0, spanUs));
	const deeds: Deed[] = [];
	for (let number = 0; number < requestCount; number++) {
		const id = String(number);
		const promptSegments = prompt(number);
		const promptTokens = promptSegments.reduce((sum, [, , length]) => sum + length, 0);
		const outputTokens = Math.ceil(random() ** 2 * maxModelLen);
		const endsByStop = chance(0.6);
		const request: EngineRequest = {
			id,
			promptTokens,
			outputTokens,
			endsByStop,
			maxOutputTokens: outputTokens + (endsByStop ? pick(0, 0, 1, 2, 50) : 0),
			priority: whole(0, 2),
			...(chance(0.1) ? {} : { promptSegments }),
		};
		const atUs = moment();
		deeds.push({ atUs, kind: 'submit', request });
		if (chance(0.15)) deeds.push({ atUs: atUs + moment(), kind: 'abort', id });
	}
	for (let looks = whole(0, 30); looks > 0; looks--) deeds.push({ atUs: moment() * 2, kind: 'look' });
	const asking = randomStream(seed, `engine-asks/${index}`);
	for (let asks = Math.floor(asking() * 40); asks > 0; asks--) {
		const atUs = Math.floor(asking() * 2 * (spanUs + 1000));
		deeds.push({ atUs, kind: 'ask', id: String(Math.floor(asking() * requestCount)) });
	}
	const rank = { submit: 0, abort: 1, look: 2, ask: 2 };
	deeds.sort((a, b) => a.atUs - b.atUs || rank[a.kind] - rank[b.kind]);
	return { config, cost, deeds };

	/** Mostly alike at the start; sometimes it repeats what an earlier request was asked and answered. */
	function prompt(number: number): PromptSegment[] {
		const most = chance(0.03) ? maxModelLen + 5 : maxModelLen - 1;
		const segments: PromptSegment[] = [];
		let left = Math.ceil(random() ** 2 * most);
		const add = (stream: string, length: number) => {
			if (length > 0) segments.push([stream, 0, Math.min(length, left)]);
			left -= Math.min(length, left);
		};
		add(pick('p', 'q', `own${number}`), whole(0, left));
		if (chance(0.3)) add(outputStream(String(whole(0, number))), whole(0, left));
		if (left > 0) add(pick('r', `own${number}`), left);
		return segments.filter(([, , length]) => length > 0);
	}
}
