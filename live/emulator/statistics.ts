import type { EngineGauges } from '../../sim/domain/engine.ts';
import { secondsFromUs, type TimeUs } from '../../sim/domain/units.ts';
import { SLEEP_SECONDS } from './metric-buckets.ts';
import { type HistogramName, histogramShapes, METRIC_PREFIX } from './metric-names.ts';
import { WeightedHistogram } from './weighted-histogram.ts';

export type EndReason = 'stop' | 'length' | 'abort';
export type SleepState = 'awake' | 'weights_offloaded' | 'discard_all';
type SleepOperation = 'sleep' | 'wake';

/** What is known of a request when it has ended. Times are engine time. */
export interface EndedRequest {
	readonly reason: EndReason;
	readonly promptTokens: number;
	readonly cachedPromptTokens: number;
	readonly outputTokens: number;
	readonly maxTokens: number;
	readonly preemptions: number;
	/** At the server, and at the engine. */
	readonly arrivedUs: TimeUs;
	readonly queuedUs: TimeUs;
	readonly startedUs: TimeUs;
	readonly firstTokenUs: TimeUs;
	readonly endedUs: TimeUs;
}

/** State at one moment. */
export interface ServerState {
	readonly gauges: EngineGauges;
	/** Requests that wait for a sleeping or paused server. */
	readonly heldRequests: number;
	readonly sleepState: SleepState;
	/** Of requests that are not done: prompt tokens of those with a first token, and all output tokens. */
	readonly openPromptTokens: number;
	readonly openOutputTokens: number;
}

/**
 * What `/metrics` tells, in seconds as a client's clock shows them: at twice the speed everything takes half as long. What vLLM observes in every step is observed when a request ends (the intervals
 * between its tokens, as their mean) or when somebody asks (tokens of a step, as the mean of the steps since the last time).
 */
export class Statistics {
	/** Of requests that are done. */
	readonly counts = {
		promptTokens: 0,
		cachedPromptTokens: 0,
		queriedPromptTokens: 0,
		outputTokens: 0,
		ended: { stop: 0, length: 0, abort: 0 },
	};
	readonly histograms: Readonly<Record<HistogramName, WeightedHistogram>>;
	readonly sleepSeconds: Readonly<Record<SleepOperation, WeightedHistogram>>;
	private readonly speed: number;
	private seen = { steps: 0, tokens: 0 };

	/** @param speed engine time per wall time */
	constructor(servedModel: string, maxModelLen: number, speed: number) {
		this.speed = speed;
		const labels = { engine: '0', model_name: servedModel };
		this.histograms = Object.fromEntries(
			Object.entries(histogramShapes).map(([name, [help, bounds]]) => [
				name,
				new WeightedHistogram(
					METRIC_PREFIX + name,
					help,
					labels,
					typeof bounds === 'function' ? bounds(maxModelLen) : bounds,
				),
			]),
		) as Record<HistogramName, WeightedHistogram>;
		this.sleepSeconds = { sleep: sleepHistogram('sleep'), wake: sleepHistogram('wake') };
	}

	/** All `n` answers to a prompt are there, the longest of them with `longestTokens`. */
	promptAnswered(n: number, longestTokens: number): void {
		this.histograms.request_params_n.observe(n);
		this.histograms.request_max_num_generation_tokens.observe(longestTokens);
	}

	requestEnded(ended: EndedRequest): void {
		const { counts, histograms } = this;
		const { promptTokens, cachedPromptTokens, outputTokens } = ended;
		const { arrivedUs, queuedUs, startedUs, firstTokenUs, endedUs } = ended;
		this.requestDropped(promptTokens, outputTokens);
		counts.queriedPromptTokens += promptTokens;
		counts.cachedPromptTokens += cachedPromptTokens;
		counts.ended[ended.reason]++;

		const decodeSeconds = this.wallSeconds(endedUs - firstTokenUs);
		const perTokenSeconds = outputTokens > 1 ? decodeSeconds / (outputTokens - 1) : 0;
		histograms.request_prompt_tokens.observe(promptTokens);
		histograms.request_generation_tokens.observe(outputTokens);
		histograms.request_params_max_tokens.observe(ended.maxTokens);
		histograms.request_prefill_kv_computed_tokens.observe(promptTokens - cachedPromptTokens);
		histograms.request_num_preemptions.observe(ended.preemptions);
		histograms.time_to_first_token_seconds.observe(this.wallSeconds(firstTokenUs - arrivedUs));
		histograms.request_time_per_output_token_seconds.observe(perTokenSeconds);
		histograms.inter_token_latency_seconds.observe(perTokenSeconds, Math.max(0, outputTokens - 1));
		histograms.e2e_request_latency_seconds.observe(this.wallSeconds(endedUs - arrivedUs));
		histograms.request_queue_time_seconds.observe(this.wallSeconds(startedUs - queuedUs));
		histograms.request_prefill_time_seconds.observe(this.wallSeconds(firstTokenUs - startedUs));
		histograms.request_decode_time_seconds.observe(decodeSeconds);
		histograms.request_inference_time_seconds.observe(this.wallSeconds(endedUs - startedUs));
	}

	/** A request that was aborted from outside: vLLM counts its tokens and nothing else. */
	requestDropped(promptTokens: number, outputTokens: number): void {
		if (outputTokens > 0) this.counts.promptTokens += promptTokens;
		this.counts.outputTokens += outputTokens;
	}

	slept(operation: SleepOperation, durationUs: TimeUs): void {
		this.sleepSeconds[operation].observe(this.wallSeconds(durationUs));
	}

	private wallSeconds(durationUs: TimeUs): number {
		return secondsFromUs(durationUs) / this.speed;
	}

	/** Observes the steps since the last time. */
	noteSteps({ gauges, openPromptTokens, openOutputTokens }: ServerState): void {
		const { promptTokens, outputTokens } = this.counts;
		const tokens = promptTokens + openPromptTokens + outputTokens + openOutputTokens;
		const steps = gauges.steps - this.seen.steps;
		if (steps > 0)
			this.histograms.iteration_tokens_total.observe(Math.max(0, tokens - this.seen.tokens) / steps, steps);
		this.seen = { steps: gauges.steps, tokens };
	}
}

const sleepHistogram = (operation: SleepOperation): WeightedHistogram =>
	new WeightedHistogram(
		`${METRIC_PREFIX}sleep_mode_operation_duration_seconds`,
		'Duration of one sleep-mode operation.',
		{ operation },
		SLEEP_SECONDS,
	);
