import { type MetricSample, parseMetrics } from './metrics-text.ts';

/** What a server's `/metrics` says about its engine. A field is null when the server does not report it. */
export interface ServerGauges {
	readonly runningRequests: number | null;
	readonly waitingRequests: number | null;
	/** 0 to 1. */
	readonly kvUsage: number | null;
	/** Since its start. */
	readonly preemptions: number | null;
	readonly promptTokens: number | null;
	readonly generationTokens: number | null;
	/** Tokens per KV block. */
	readonly blockSize: number | null;
	/** The null block included. */
	readonly numGpuBlocks: number | null;
	readonly prefixCaching: boolean | null;
}

/** @param text as `/metrics` sends it */
export function readGauges(text: string): ServerGauges {
	const samples = parseMetrics(text, NAMES);
	const cacheConfig = samples.find(({ name }) => name === 'vllm:cache_config_info')?.labels;
	return {
		runningRequests: sum(samples, 'vllm:num_requests_running'),
		waitingRequests: sum(samples, 'vllm:num_requests_waiting'),
		kvUsage: sum(samples, 'vllm:kv_cache_usage_perc'),
		preemptions: sum(samples, 'vllm:num_preemptions_total'),
		promptTokens: sum(samples, 'vllm:prompt_tokens_total'),
		generationTokens: sum(samples, 'vllm:generation_tokens_total'),
		blockSize: wholeNumber(cacheConfig?.block_size),
		numGpuBlocks: wholeNumber(cacheConfig?.num_gpu_blocks),
		prefixCaching: yesOrNo(cacheConfig?.enable_prefix_caching),
	};
}

const NAMES: ReadonlySet<string> = new Set([
	'vllm:num_requests_running',
	'vllm:num_requests_waiting',
	'vllm:kv_cache_usage_perc',
	'vllm:num_preemptions_total',
	'vllm:prompt_tokens_total',
	'vllm:generation_tokens_total',
	'vllm:cache_config_info',
]);

function sum(samples: readonly MetricSample[], name: string): number | null {
	const values = samples.filter((sample) => sample.name === name).map(({ value }) => value);
	return values.length === 0 ? null : values.reduce((total, value) => total + value, 0);
}

/** Labels are text, and vLLM writes `None` for what it has not settled. */
const wholeNumber = (text: string | undefined): number | null =>
	text !== undefined && /^\d+$/.test(text) ? Number(text) : null;

const yesOrNo = (text: string | undefined): boolean | null =>
	text === 'True' || text === 'False' ? text === 'True' : null;
