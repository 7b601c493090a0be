import * as buckets from './metric-buckets.ts';

/** vLLM's metrics that the emulator has, without the prefix `vllm:`, with their help. Each has the labels engine and model_name. */
export const METRIC_PREFIX = 'vllm:';

type Help = Readonly<Record<string, string>>;

export const counterHelp: Help = {
	num_preemptions_total: 'Cumulative number of preemption from the engine.',
	prompt_tokens_total: 'Number of prefill tokens processed.',
	prompt_tokens_cached_total: 'Number of cached prompt tokens (local + external).',
	prompt_tokens_by_source_total: 'Number of prompt tokens by source.',
	generation_tokens_total: 'Number of generation tokens processed.',
	prefix_cache_queries_total: 'Prefix cache queries, in terms of number of queried tokens.',
	prefix_cache_hits_total: 'Prefix cache hits, in terms of number of cached tokens.',
	prompt_tokens_cached_by_source_total:
		'Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to DRAM), disk, p2p (transferred from another vLLM instance) or external_unspecified. Counted at admission; sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits.',
	external_prefix_cache_queries_total:
		'External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried tokens.',
	external_prefix_cache_hits_total:
		'External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached tokens.',
	mm_cache_queries_total: 'Multi-modal cache queries, in terms of number of queried items.',
	mm_cache_hits_total: 'Multi-modal cache hits, in terms of number of cached items.',
	request_success_total: 'Count of successfully processed requests.',
};

export const gaugeHelp: Help = {
	num_requests_running: 'Number of requests in model execution batches.',
	num_requests_waiting: 'Number of requests waiting to be processed.',
	num_requests_waiting_by_reason:
		"Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals vllm:num_requests_waiting.",
	kv_cache_usage_perc: 'KV-cache usage. 1 means 100 percent usage.',
	engine_sleep_state:
		'Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.',
};

/** Label that a metric has besides. */
export const extraLabels: Help = {
	num_requests_waiting_by_reason: 'reason',
	engine_sleep_state: 'sleep_state',
	prompt_tokens_by_source_total: 'source',
	prompt_tokens_cached_by_source_total: 'source',
	request_success_total: 'finished_reason',
};

type Bounds = readonly number[] | ((maxModelLen: number) => readonly number[]);

export const histogramShapes = {
	request_prompt_tokens: ['Number of prefill tokens processed.', buckets.requestTokens],
	request_generation_tokens: ['Number of generation tokens processed.', buckets.requestTokens],
	iteration_tokens_total: ['Histogram of number of tokens per engine_step.', buckets.ITERATION_TOKENS],
	request_max_num_generation_tokens: [
		'Histogram of maximum number of requested generation tokens.',
		buckets.requestTokens,
	],
	request_params_n: ['Histogram of the n request parameter.', buckets.ANSWERS],
	request_params_max_tokens: ['Histogram of the max_tokens request parameter.', buckets.requestTokens],
	time_to_first_token_seconds: [
		'Histogram of time to first token in seconds.',
		buckets.TIME_TO_FIRST_TOKEN_SECONDS,
	],
	inter_token_latency_seconds: ['Histogram of inter-token latency in seconds.', buckets.PER_TOKEN_SECONDS],
	request_time_per_output_token_seconds: [
		'Histogram of time_per_output_token_seconds per request.',
		buckets.PER_TOKEN_SECONDS,
	],
	e2e_request_latency_seconds: ['Histogram of e2e request latency in seconds.', buckets.REQUEST_SECONDS],
	request_queue_time_seconds: [
		'Histogram of time spent in WAITING phase for request.',
		buckets.REQUEST_SECONDS,
	],
	request_inference_time_seconds: [
		'Histogram of time spent in RUNNING phase for request.',
		buckets.REQUEST_SECONDS,
	],
	request_prefill_time_seconds: [
		'Histogram of time spent in PREFILL phase for request.',
		buckets.REQUEST_SECONDS,
	],
	request_decode_time_seconds: [
		'Histogram of time spent in DECODE phase for request.',
		buckets.REQUEST_SECONDS,
	],
	request_num_preemptions: ['Histogram of the number of times a request was preempted.', buckets.PREEMPTIONS],
	request_prefill_kv_computed_tokens: [
		'Histogram of new KV tokens computed during prefill (excluding cached tokens).',
		buckets.requestTokens,
	],
} as const satisfies Readonly<Record<string, readonly [help: string, bounds: Bounds]>>;

export type HistogramName = keyof typeof histogramShapes;
