import { describe, expect, it } from 'vitest';
import { readGauges } from '../../../live/http/engine-gauges.ts';
import { parseMetrics } from '../../../live/http/metrics-text.ts';

const TEXT = [
	'# HELP http_requests_total Requests.',
	'# TYPE http_requests_total counter',
	'http_requests_total{method="post",code="200"} 1027 1395066363000',
	String.raw`path{p="C:\\DIR\\F.TXT",error="Cannot\n\"open\", } it"} 1.458e+09`,
	'metric_without_labels 12.47',
	'empty_labels{} 3',
	'trailing{a="1",} 4',
	'ends_badly{a="1" 5',
	'something_weird{problem="division by zero"} +Inf -3982045',
	'not_a_number NaN',
	'no_value ',
	'',
].join('\n');

describe('text exposition', () => {
	it('is read as the format says', () => {
		expect(parseMetrics(TEXT)).toEqual([
			{ name: 'http_requests_total', labels: { method: 'post', code: '200' }, value: 1027 },
			{ name: 'path', labels: { p: 'C:\\DIR\\F.TXT', error: 'Cannot\n"open", } it' }, value: 1.458e9 },
			{ name: 'metric_without_labels', labels: {}, value: 12.47 },
			{ name: 'empty_labels', labels: {}, value: 3 },
			{ name: 'trailing', labels: { a: '1' }, value: 4 },
			{ name: 'something_weird', labels: { problem: 'division by zero' }, value: Number.POSITIVE_INFINITY },
			{ name: 'not_a_number', labels: {}, value: Number.NaN },
		]);
	});

	it('is read as far as it is wanted', () => {
		const names = parseMetrics(TEXT, new Set(['empty_labels'])).map(({ name }) => name);
		expect(names).toEqual(['empty_labels']);
	});
});

describe('gauges of an engine', () => {
	it('add up over its parts, and are null where nothing is said', () => {
		const text = [
			'vllm:num_requests_running{engine="0",model_name="m"} 3.0',
			'vllm:num_requests_running{engine="1",model_name="m"} 4.0',
			'vllm:num_requests_waiting_by_reason{reason="capacity"} 9.0',
			'vllm:kv_cache_usage_perc{engine="0"} 0.25',
			'vllm:cache_config_info{block_size="16",num_gpu_blocks="None",enable_prefix_caching="False"} 1.0',
		].join('\n');
		expect(readGauges(text)).toEqual({
			runningRequests: 7,
			waitingRequests: null,
			kvUsage: 0.25,
			preemptions: null,
			promptTokens: null,
			generationTokens: null,
			blockSize: 16,
			numGpuBlocks: null,
			prefixCaching: false,
		});
	});
});
