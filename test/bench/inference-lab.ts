import { readFileSync } from 'node:fs';
import type { EngineRequest } from '../../sim/domain/engine.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { createEngine } from '../../sim/engine/index.ts';
import { measure, ratio, typical } from './measure.ts';
import { say, times } from './report.ts';
import { AMPLE, type Outcome, serve } from './workload.ts';

/** Llama-3.1-8B in bf16 on an H100, as the package describes models and hardware; data sheet numbers. */
const MODEL = {
	name: 'Llama-3.1-8B',
	num_parameters: 8_030_000_000,
	num_layers: 32,
	hidden_dim: 4096,
	num_heads: 32,
	num_kv_heads: 8,
	max_seq_len: 131_072,
};
const KV_BYTES_PER_TOKEN =
	2 * MODEL.num_layers * MODEL.num_kv_heads * (MODEL.hidden_dim / MODEL.num_heads) * 2;
const WEIGHT_BYTES = 2 * MODEL.num_parameters;
const HARDWARE = {
	name: 'H100',
	compute_flops: 989e12,
	memory_bandwidth: 3.35e12,
	memory_capacity: 80e9,
	/** Ample, since the package resumes a preempted request where vLLM starts it over. */
	kv_cache_capacity: AMPLE.numGpuBlocks * AMPLE.blockSize * KV_BYTES_PER_TOKEN,
	bytes_per_param: 2,
};

/**
 * The step times of the package: the longer of reading weights and context, and of computing. The longer of the two is a sum here:
 * what is computed counts from the tokens on that take as long as the weights.
 */
const ROOFLINE: StepCost = {
	hostUs: 0,
	hostPerSequenceUs: 0,
	baseUs: (1e6 * WEIGHT_BYTES) / HARDWARE.memory_bandwidth,
	perTokenOverKneeUs: (1e6 * 2 * MODEL.num_parameters) / HARDWARE.compute_flops,
	kneeTokens: Math.round(HARDWARE.compute_flops / HARDWARE.memory_bandwidth),
	perDecodeSequenceUs: 0,
	perContextTokenUs: (1e6 * KV_BYTES_PER_TOKEN) / HARDWARE.memory_bandwidth,
	perPrefillTokenSquaredUs: (1e6 * 4 * MODEL.num_layers * MODEL.hidden_dim) / HARDWARE.compute_flops,
	allReduceUs: 0,
};

/** Calls of a log-normal output length, a seed, and how they arrive. */
interface Traffic {
	readonly what: string;
	readonly medianTokens: number;
	readonly sd: number;
	readonly callsPerSecond: number;
	readonly sizes: readonly number[];
}

const TRAFFIC: readonly Traffic[] = [
	{ what: 'instruct', medianTokens: 200, sd: 0.6, callsPerSecond: 30, sizes: [400, 1600, 6400] },
	{ what: 'reasoning', medianTokens: 3000, sd: 1.03, callsPerSecond: 4, sizes: [50, 100, 200, 400] },
];

/** A size is left out after one that took more of the processor. */
const MOST_CPU_MS = 5000;

/** Ours runs so often that so many calls are timed: a few are simulated before a clock moves. */
const TIMED_CALLS = 100_000;

/** What the package returns, as far as it is read: one entry for each call, in the order in which they ended. */
interface Simulated {
	readonly metrics: { readonly total_time: number };
	readonly distributions: { readonly input_lengths: number[]; readonly output_lengths: number[] };
	readonly latency_samples: { readonly e2e_samples: number[]; readonly e2e_timestamps: number[] };
}

interface Call {
	readonly arrivalUs: number;
	readonly promptTokens: number;
	readonly outputTokens: number;
}

/**
 * The leaping engine against `@doublewordai/inference-lab` on one engine: the same model and step times, and the very arrivals and
 * lengths that the package draws, which are read from its results. Where the two differ: a prompt yields no token there (`request`),
 * the longer of two times is a sum here (`ROOFLINE`), and it idles in steps of 1 ms. It keeps and returns a sample for every
 * token; there is no way to leave that out.
 */
export async function compareWithInferenceLab(): Promise<void> {
	const { initSync, run_simulation } = await import('@doublewordai/inference-lab');
	initSync({ module: readFileSync(require.resolve('@doublewordai/inference-lab/inference_lab_bg.wasm')) });
	for (const traffic of TRAFFIC) {
		let tookMs = 0;
		for (const size of traffic.sizes) {
			if (tookMs > MOST_CPU_MS) break;
			const experiment = JSON.stringify(theirExperiment(traffic, size));
			let simulated: Simulated | undefined;
			let calls: readonly Call[] = [];
			let outcome: Outcome | undefined;
			const runs = Math.ceil(TIMED_CALLS / size);
			const { theirs, ours } = measure(tookMs < 1000 ? 3 : 1, {
				theirs() {
					simulated = run_simulation(experiment) as Simulated;
				},
				read() {
					if (simulated !== undefined) calls = callsOf(simulated);
				},
				ours() {
					for (let run = 0; run < runs; run++) outcome = simulate(calls);
				},
			});
			tookMs = typical(theirs).cpuMs;
			say(`${traffic.what} lengths, ${size} calls, ${traffic.callsPerSecond} a second`);
			say(
				`  inference-lab: ${times(typical(theirs), size)}; simulated ${simulated?.metrics.total_time.toFixed(1)} s`,
			);
			say(
				`  leaping, ${runs} runs: ${times(typical(ours), size * runs)}; simulated ${((outcome?.endUs ?? 0) / 1e6).toFixed(1)} s`,
			);
			say(`  leaping is ${(runs * ratio(theirs, ours)).toFixed(0)} times as fast`);
		}
	}
}

function theirExperiment({ medianTokens, sd, callsPerSecond }: Traffic, size: number): object {
	return {
		hardware: HARDWARE,
		model: MODEL,
		scheduler: {
			max_num_batched_tokens: AMPLE.maxNumBatchedTokens,
			max_num_seqs: AMPLE.maxNumSeqs,
			policy: 'fcfs',
			enable_chunked_prefill: false,
			block_size: AMPLE.blockSize,
		},
		workload: {
			arrival_pattern: 'poisson',
			arrival_rate: callsPerSecond,
			input_len_dist: { type: 'uniform', min: 80, max: 579 },
			output_len_dist: { type: 'lognormal', mean: Math.log(medianTokens), std_dev: sd },
			num_requests: size,
			seed: 1,
		},
		simulation: { log_interval: 1_000_000_000 },
	};
}

/** In order of arrival, which is end less latency. */
function callsOf({ distributions, latency_samples }: Simulated): readonly Call[] {
	const { input_lengths, output_lengths } = distributions;
	const { e2e_samples, e2e_timestamps } = latency_samples;
	return input_lengths
		.map((promptTokens, index) => ({
			arrivalUs: Math.round(1e6 * (e2e_timestamps[index] as number) - 1e3 * (e2e_samples[index] as number)),
			promptTokens,
			outputTokens: output_lengths[index] as number,
		}))
		.toSorted((a, b) => a.arrivalUs - b.arrivalUs);
}

function simulate(calls: readonly Call[]): Outcome {
	const config: EngineConfig = {
		...AMPLE,
		maxModelLen: MODEL.max_seq_len,
		asyncScheduling: false,
		reserveFullIsl: false,
	};
	let arrived = 0;
	const nextArrivalUs = () => calls[arrived++]?.arrivalUs ?? 0;
	return serve([createEngine('leaping', config, ROOFLINE)], calls.map(request), nextArrivalUs);
}

/** With a token more than drawn: where vLLM's prompts yield the first token, the package takes a step more. */
function request({ promptTokens, outputTokens }: Call, index: number): EngineRequest {
	return {
		id: `c${index}`,
		promptTokens,
		outputTokens: outputTokens + 1,
		endsByStop: false,
		maxOutputTokens: outputTokens + 1,
		priority: 0,
	};
}
