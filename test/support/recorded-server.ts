/**
 * Makes recordings of a server as they stand in `engine-cpu-*.jsonl` from the scheduler core and a step cost of our choosing:
 * what a real server of exactly that cost would have logged.
 */
import type { PromptSegment } from '../../sim/domain/engine.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { SchedulerCore } from '../../sim/engine/scheduler-core.ts';
import type { Sequence } from '../../sim/engine/sequence.ts';
import { StepBatch } from '../../sim/engine/step-batch.ts';
import type { StepLoad } from '../../sim/study/calibrate-steps.ts';

export interface SentCall {
	readonly sentS: number;
	readonly prompt: readonly PromptSegment[];
	readonly outputTokens: number;
}

export interface ServerOptions {
	readonly name: string;
	readonly config?: Partial<EngineConfig>;
	readonly cost: StepCost;
	readonly frontEndDelayUs?: number;
	/** Multiplies the model time of each step. */
	readonly noise?: () => number;
}

/** One line of the file, and what its steps really held. */
export interface Recording {
	readonly line: Record<string, unknown>;
	readonly loads: readonly StepLoad[];
}

const CONFIG: EngineConfig = {
	blockSize: 16,
	numGpuBlocks: 400,
	maxNumSeqs: 16,
	maxNumBatchedTokens: 128,
	maxModelLen: 512,
	longPrefillTokenThreshold: 0,
	policy: 'fcfs',
	asyncScheduling: false,
	watermark: 0,
	reserveFullIsl: true,
	prefixCaching: true,
};

export function recordServer(options: ServerOptions, calls: readonly SentCall[]): Recording {
	const { name, cost, frontEndDelayUs = 0, noise = () => 1 } = options;
	const config = { ...CONFIG, ...options.config };
	const core = new SchedulerCore(config);
	const batch = new StepBatch(config.maxNumSeqs);
	const open = new Map<string, { firstUs: number; lastUs: number; cached: number }>();
	const waiting = calls
		.map((call, id) => ({ ...call, id: String(id), knownUs: call.sentS * 1e6 + frontEndDelayUs }))
		.sort((a, b) => a.knownUs - b.knownUs);
	const loads: StepLoad[] = [];
	const iterations: number[][] = [];
	let nowUs = 0;
	let preempted = 0;
	for (;;) {
		if (core.openCount === 0) nowUs = Math.max(nowUs, waiting[0]?.knownUs ?? nowUs);
		for (let next = waiting[0]; next !== undefined && next.knownUs <= nowUs; next = waiting[0]) {
			waiting.shift();
			const promptTokens = tokensOf(next.prompt);
			const { outputTokens, prompt, id } = next;
			core.submit(
				{
					id,
					promptTokens,
					promptSegments: prompt,
					outputTokens,
					endsByStop: false,
					maxOutputTokens: outputTokens,
					priority: 0,
				},
				nowUs,
			);
		}
		core.schedule(batch);
		preempted += batch.preempted.length;
		if (batch.count === 0) {
			if (core.openCount === 0 && waiting.length === 0) break;
			continue;
		}
		const row = describe(batch);
		// Written out from the formula, not taken from the engine.
		const modelUs =
			noise() *
			(cost.baseUs +
				cost.perTokenOverKneeUs * Math.max(0, batch.tokens - cost.kneeTokens) +
				cost.perDecodeSequenceUs * batch.decodeSequences +
				cost.perContextTokenUs * batch.decodeContextTokens +
				cost.perPrefillTokenSquaredUs * row.load.prefillChunkSquares);
		nowUs += modelUs + cost.hostUs + cost.hostPerSequenceUs * batch.count;
		const firstTokens = [...batch.firstTokens];
		core.processOutput(batch);
		for (const { id, cachedPromptTokens } of firstTokens)
			open.set(id, { firstUs: nowUs, lastUs: nowUs, cached: cachedPromptTokens });
		for (const { id } of batch.finished) (open.get(id) as { lastUs: number }).lastUs = nowUs;
		iterations.push([iterations.length, ...row.counts, modelUs / 1000]);
		loads.push({ ...row.load, modelUs, preempted, firstTokens: firstTokens.length });
		preempted = 0;
	}
	const { longPrefillTokenThreshold: _, policy: __, asyncScheduling: ___, ...rest } = config;
	const { watermark: ____, reserveFullIsl: _____, ...served } = rest;
	return {
		loads,
		line: {
			format: 1,
			engine: 'made up',
			model: 'made-up',
			name,
			config: served,
			calls: calls.map(({ sentS, prompt, outputTokens }, id) => {
				const { firstUs, lastUs, cached } = open.get(String(id)) as {
					firstUs: number;
					lastUs: number;
					cached: number;
				};
				return {
					id,
					sentS,
					firstS: firstUs / 1e6,
					lastS: lastUs / 1e6,
					promptTokens: tokensOf(prompt),
					cachedTokens: cached,
					outputTokens,
					prompt,
				};
			}),
			counters: { num_preemptions_total: core.preemptions },
			iterations,
		},
	};
}

const tokensOf = (prompt: readonly PromptSegment[]): number =>
	prompt.reduce((sum, [, , length]) => sum + length, 0);

/** A step as vLLM logs it, where a request counts as context until it has put out something, and what it held. */
function describe(batch: StepBatch): {
	counts: number[];
	load: Omit<StepLoad, 'modelUs' | 'preempted' | 'firstTokens'>;
} {
	const counts = [0, 0, 0, 0];
	let recomputedTokens = 0;
	let prefillAttentionPairs = 0;
	let prefillChunkSquares = 0;
	for (let index = 0; index < batch.count; index++) {
		const sequence = batch.sequences[index] as Sequence;
		const granted = batch.granted[index] as number;
		const from = sequence.computed - granted;
		const isContext = sequence.tokens === sequence.promptTokens;
		const at = isContext ? 0 : 2;
		counts[at] = (counts[at] ?? 0) + 1;
		counts[at + 1] = (counts[at + 1] ?? 0) + granted;
		if (from >= sequence.prefillEnd) continue;
		for (let token = 1; token <= granted; token++) prefillAttentionPairs += from + token;
		prefillChunkSquares += granted * granted;
		if (!isContext) recomputedTokens += granted;
	}
	return {
		counts,
		load: {
			sequences: batch.count,
			prefillTokens: batch.tokens - batch.decodeSequences,
			decodeSequences: batch.decodeSequences,
			decodeContextTokens: batch.decodeContextTokens,
			prefillAttentionPairs,
			prefillChunkSquares,
			recomputedTokens,
		},
	};
}
