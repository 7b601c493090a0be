import type { Counter, Gauge, Metric, Registry } from 'prom-client';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import { counterHelp, extraLabels, gaugeHelp, METRIC_PREFIX } from './metric-names.ts';
import type { ServerState, Statistics } from './statistics.ts';
import type { WeightedHistogram } from './weighted-histogram.ts';

export interface MetricsSubject {
	readonly servedModel: string;
	readonly profile: ReplicaProfile;
	/** Of one GPU, for the utilization; 0: unknown. */
	readonly gpuMemoryBytes: number;
	readonly statistics: Statistics;
}

/** Value of a metric, or one per value of its extra label. */
type Value = number | Readonly<Record<string, number>>;

/** `/metrics` under vLLM's names. The library behind it is loaded when somebody asks: it would take a good part of the start. */
export class MetricsPage {
	private readonly subject: MetricsSubject;
	private readonly labels: Readonly<Record<string, string>>;
	private loaded: Promise<LoadedRegistry> | null = null;

	constructor(subject: MetricsSubject) {
		this.subject = subject;
		this.labels = { engine: '0', model_name: subject.servedModel };
	}

	async render(state: ServerState): Promise<{ readonly text: string; readonly contentType: string }> {
		this.loaded ??= this.load();
		const { registry, metrics } = await this.loaded;
		const { statistics } = this.subject;
		statistics.noteSteps(state);
		for (const [name, value] of Object.entries(valuesOf(statistics, state))) {
			const metric = metrics.get(name);
			const parts: [Record<string, string>, number][] =
				typeof value === 'number'
					? [[{}, value]]
					: Object.entries(value).map(([part, count]) => [{ [extraLabels[name] ?? '']: part }, count]);
			metric?.reset();
			for (const [extra, count] of parts) metric?.inc({ ...this.labels, ...extra }, count);
		}
		return { text: await registry.metrics(), contentType: registry.contentType };
	}

	private async load(): Promise<LoadedRegistry> {
		const { Counter, Gauge, Registry } = await import('prom-client');
		const registry = new Registry();
		const metrics = new Map<string, Counter | Gauge>();
		for (const [Kind, helps] of [
			[Gauge, gaugeHelp],
			[Counter, counterHelp],
		] as const) {
			for (const [name, help] of Object.entries(helps)) {
				const labelNames = [...Object.keys(this.labels), extraLabels[name] ?? []].flat();
				metrics.set(name, new Kind({ name: METRIC_PREFIX + name, help, labelNames, registers: [registry] }));
			}
		}
		const { histograms, sleepSeconds } = this.subject.statistics;
		for (const histogram of Object.values(histograms)) register(registry, histogram);
		register(registry, joined(Object.values(sleepSeconds)));
		const config = cacheConfig(this.subject);
		new Gauge({
			name: `${METRIC_PREFIX}cache_config_info`,
			help: 'Information of the LLMEngine CacheConfig',
			labelNames: Object.keys(config),
			registers: [registry],
		}).set(config, 1);
		return { registry, metrics };
	}
}

interface LoadedRegistry {
	readonly registry: Registry;
	readonly metrics: ReadonlyMap<string, Counter | Gauge>;
}

function valuesOf({ counts }: Statistics, state: ServerState): Readonly<Record<string, Value>> {
	const { gauges, heldRequests, sleepState } = state;
	const waiting = gauges.waiting + heldRequests;
	const { cachedPromptTokens, queriedPromptTokens } = counts;
	return {
		num_requests_running: gauges.running,
		num_requests_waiting: waiting,
		num_requests_waiting_by_reason: { capacity: waiting, deferred: 0 },
		kv_cache_usage_perc: gauges.usedBlocks / gauges.totalBlocks,
		engine_sleep_state: { awake: 0, weights_offloaded: 0, discard_all: 0, [sleepState]: 1 },
		num_preemptions_total: gauges.preemptions,
		prompt_tokens_total: counts.promptTokens + state.openPromptTokens,
		prompt_tokens_cached_total: cachedPromptTokens,
		prompt_tokens_by_source_total: {
			local_compute: queriedPromptTokens - cachedPromptTokens,
			local_cache_hit: cachedPromptTokens,
			external_kv_transfer: 0,
		},
		prompt_tokens_cached_by_source_total: {
			device: cachedPromptTokens,
			host: 0,
			p2p: 0,
			disk: 0,
			external_unspecified: 0,
		},
		external_prefix_cache_queries_total: 0,
		external_prefix_cache_hits_total: 0,
		mm_cache_queries_total: 0,
		mm_cache_hits_total: 0,
		generation_tokens_total: counts.outputTokens + state.openOutputTokens,
		prefix_cache_queries_total: queriedPromptTokens,
		prefix_cache_hits_total: cachedPromptTokens,
		request_success_total: { ...counts.ended, error: 0, repetition: 0 },
	};
}

function cacheConfig({ profile, gpuMemoryBytes }: MetricsSubject): Record<string, string> {
	const { blockSize, numGpuBlocks, maxModelLen, prefixCaching } = profile.engine;
	const utilization = gpuMemoryBytes > 0 ? profile.gpuBytesPerGpu / gpuMemoryBytes : 1;
	const usableTokens = (numGpuBlocks - 1) * blockSize;
	return {
		block_size: String(blockSize),
		cache_dtype: 'auto',
		enable_prefix_caching: prefixCaching ? 'True' : 'False',
		engine: '0',
		gpu_memory_utilization: String(Number(utilization.toFixed(4))),
		kv_cache_max_concurrency: String(usableTokens / maxModelLen),
		kv_cache_size_tokens: String(usableTokens),
		num_cpu_blocks: 'None',
		num_gpu_blocks: String(numGpuBlocks),
		num_gpu_blocks_override: 'None',
		sliding_window: 'None',
	};
}

/** All that the registry asks of a metric. */
type Registrable = Pick<WeightedHistogram, 'name' | 'get' | 'reset'>;

function register(registry: Registry, metric: Registrable): void {
	registry.registerMetric(metric as unknown as Metric);
}

/** Histograms of one name with different labels. */
function joined(histograms: readonly WeightedHistogram[]): Registrable {
	return {
		name: histograms[0]?.name ?? '',
		async get() {
			const all = await Promise.all(histograms.map((each) => each.get()));
			return { ...(all[0] as (typeof all)[number]), values: all.flatMap(({ values }) => values) };
		},
		reset() {
			for (const each of histograms) each.reset();
		},
	};
}
