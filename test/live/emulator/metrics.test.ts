import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { post, readyEmulator, type TestEmulator } from './emulator-fixture.ts';

const recorded = readFileSync(path.resolve(__dirname, '../fixtures/vllm-0.32.0/metrics.txt'), 'utf8');

const scrape = async ({ baseUrl }: TestEmulator): Promise<string> =>
	(await fetch(`${baseUrl}/metrics`)).text();

interface Family {
	readonly type: string;
	readonly help: string;
	/** `name{label="value"}` without the value of the sample; labels in order of name. */
	readonly series: readonly string[];
}

/** What a scrape has, by name of the metric. */
function familiesOf(text: string): ReadonlyMap<string, Family> {
	const families = new Map<string, { type: string; help: string; series: string[] }>();
	let current = { type: '', help: '', series: [] as string[] };
	for (const line of text.split('\n')) {
		const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
		if (kind === 'HELP') {
			current = { type: '', help: rest, series: [] };
			families.set(name, current);
		} else if (kind === 'TYPE') current.type = rest;
		else if (line !== '') {
			const [, metric, labels = ''] = /^([^{ ]+)(?:\{(.*)\})? /.exec(line) ?? [];
			const sorted = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([pair]) => pair).sort();
			current.series.push(`${metric}{${sorted.join(',')}}`);
		}
	}
	return families;
}

/** Value of a series given as in a scrape. */
function value(text: string, name: string, ...labels: readonly string[]): number {
	const line = text
		.split('\n')
		.find((each) => each.startsWith(`${name}{`) && labels.every((label) => each.includes(label)));
	return Number(line?.split(' ').at(-1));
}

const ask = { prompt: 'a'.repeat(20), max_tokens: 11, ignore_eos: true };

describe('/metrics', () => {
	it('has vLLM’s names with its types, help, labels and buckets', async () => {
		const server = await readyEmulator();
		await post(server.baseUrl, '/v1/completions', ask);
		const real = familiesOf(recorded);
		const ours = familiesOf(await scrape(server));
		for (const [name, family] of ours) {
			if (name === 'vllm:cache_config_info') continue;
			expect({ name, ...family, series: family.series.toSorted() }).toEqual({
				name,
				...real.get(name),
				series: real.get(name)?.series.toSorted(),
			});
		}
		const config = ours.get('vllm:cache_config_info')?.series[0] ?? '';
		for (const label of ['block_size="128"', 'num_gpu_blocks="1024"', 'enable_prefix_caching="True"'])
			expect(config).toContain(label);
	});

	it('has every name that the live back end and vLLM’s dashboards use', async () => {
		const ours = familiesOf(await scrape(await readyEmulator()));
		const missing = [...familiesOf(recorded).keys()].filter(
			(name) => name.startsWith('vllm:') && !ours.has(name),
		);
		expect(missing.filter((name) => !name.endsWith('_created'))).toEqual([
			'vllm:estimated_flops_per_gpu_total',
			'vllm:estimated_read_bytes_per_gpu_total',
			'vllm:estimated_write_bytes_per_gpu_total',
			'vllm:admission_rejections_total',
			'vllm:sleep_mode_operations_in_flight',
		]);
	});

	it('counts what was asked for, in seconds of engine time', async () => {
		const server = await readyEmulator();
		for (let index = 0; index < 3; index++) await post(server.baseUrl, '/v1/completions', ask);
		const text = await scrape(server);
		expect(value(text, 'vllm:prompt_tokens_total')).toBe(60);
		expect(value(text, 'vllm:generation_tokens_total')).toBe(33);
		expect(value(text, 'vllm:request_success_total', '"length"')).toBe(3);
		expect(value(text, 'vllm:e2e_request_latency_seconds_sum')).toBeCloseTo(3 * 0.11, 6);
		expect(value(text, 'vllm:time_to_first_token_seconds_sum')).toBeCloseTo(3 * 0.01, 6);
		expect(value(text, 'vllm:request_decode_time_seconds_sum')).toBeCloseTo(3 * 0.1, 6);
		expect(value(text, 'vllm:inter_token_latency_seconds_count')).toBe(30);
		expect(value(text, 'vllm:iteration_tokens_total_count')).toBe(33);
		expect(value(text, 'vllm:request_params_max_tokens_sum')).toBe(33);
	});

	it('counts tokens of requests that are under way', async () => {
		const server = await readyEmulator();
		server.clock.hold(true);
		const open = await post(server.baseUrl, '/v1/completions', { ...ask, max_tokens: 100, stream: true });
		server.clock.pass(70_000);
		const text = await scrape(server);
		expect(value(text, 'vllm:num_requests_running')).toBe(1);
		expect(value(text, 'vllm:generation_tokens_total')).toBe(7);
		expect(value(text, 'vllm:prompt_tokens_total')).toBe(20);
		expect(value(text, 'vllm:kv_cache_usage_perc')).toBeCloseTo(1 / 1023, 9);
		server.clock.hold(false);
		await open.text();
	});
});
