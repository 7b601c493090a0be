import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { meanTokens } from '../../sim/domain/distribution.ts';
import { modelId } from '../../sim/domain/ids.ts';
import { findProfile } from '../../sim/domain/scheduler.ts';
import { experimentNames, listExperiments, loadExperiment } from '../../traces/index.ts';
import { itShared } from '../support/shared.ts';
import { plain } from './sample.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('bundled experiments', () => {
	it('are listed with a description', () => {
		expect(experimentNames()).toEqual(['aime24', 'gpqa', 'medmcqa', 'mmlu-pro', 'pool16', 'quiz', 'tiny']);
		for (const { name, description } of listExperiments()) expect(description, name).not.toBe('');
	});

	it.each(experimentNames())('%s: the same seed gives the same bytes', (name) => {
		expect(plain(loadExperiment(name, { seed: 3 }))).toBe(plain(loadExperiment(name, { seed: 3 })));
	});

	it.each(experimentNames())(
		'%s: the resolved experiment is an experiment and gives the same setup',
		(name) => {
			const setup = loadExperiment(name, { seed: 7, sets: ['workload.lengthScale.factor=1.25'] });
			const file = path.join(folder, `${name}.yaml`);
			writeFileSync(file, stringify(setup.resolved));
			for (const input of setup.inputs) writeFileSync(path.join(folder, input.name), input.text);
			expect(plain(loadExperiment(file))).toBe(plain(setup));
			expect(setup.resolved).toEqual(JSON.parse(JSON.stringify(setup.resolved)));
		},
	);

	it.each(experimentNames())(
		'%s: has a forecast and a profile for every model, and calls for every expert',
		(name) => {
			const setup = loadExperiment(name);
			const called = new Set(setup.queries.flatMap((query) => query.slots));
			for (const model of setup.models) {
				const isAggregator = model.id === setup.aggregator?.model;
				expect(called.has(model.id) || isAggregator).toBe(true);
				const roles = setup.lengths.filter((each) => each.model === model.id).map((each) => each.role);
				expect([...new Set(roles)]).toEqual([
					...(called.has(model.id) ? ['expert'] : []),
					...(isAggregator ? ['aggregator'] : []),
				]);
				for (const type of new Set(setup.cluster.gpus.map((gpu) => gpu.type))) {
					expect(findProfile(setup.profiles, model.id, type, 1)).toBeDefined();
				}
			}
			expect(setup.planOptions.modelOrder).toEqual(expect.arrayContaining([...called]));
		},
	);

	it('mmlu-pro deals the models in the order of the paper', () => {
		expect(loadExperiment('mmlu-pro').planOptions.modelOrder).toEqual([
			'Gemma',
			'QwenR1',
			'Qwen',
			'LlamaR1',
			'Exaone',
			'GLM',
		]);
	});

	it('gpqa leaves out the experts without slots', () => {
		expect(loadExperiment('gpqa').models.map((model) => model.id)).toEqual([
			'Gemma',
			'QwenR1',
			'LlamaR1',
			'Exaone',
		]);
	});

	it('an aggregator without expert calls is there all the same', () => {
		const setup = loadExperiment('gpqa', { sets: ['aggregator.model=Qwen'] });
		expect(setup.models.map((model) => model.id)).toContain('Qwen');
		expect(setup.lengths.filter((each) => each.model === 'Qwen').map((each) => each.role)).toEqual([
			'aggregator',
		]);
	});

	it('forecasts expect about what is drawn', () => {
		const setup = loadExperiment('mmlu-pro');
		for (const { model, role, distribution, meanPromptTokens } of setup.lengths) {
			if (role === 'aggregator') {
				expect(meanPromptTokens).toBeGreaterThan(1000);
				expect(meanPromptTokens).toBeLessThan(1600);
				continue;
			}
			const prompts = setup.queries.flatMap((query) =>
				query.slots.flatMap((slot, index) => (slot === model ? [query.slotPromptTokens[index] ?? 0] : [])),
			);
			const drawn = prompts.reduce((sum, tokens) => sum + tokens, 0) / prompts.length;
			expect(Math.abs(meanPromptTokens / drawn - 1), model).toBeLessThan(0.07);
			expect(meanTokens(distribution)).toBeGreaterThan(150);
		}
	});
});

describe('replica profiles of mmlu-pro', () => {
	const setup = loadExperiment('mmlu-pro');
	const one = findProfile(setup.profiles, modelId('LlamaR1'), 'A100-SXM-80GB', 1);
	const four = findProfile(setup.profiles, modelId('LlamaR1'), 'A100-SXM-80GB', 4);

	it('are the testbed: vLLM 0.7.1, 256 sequences, synchronous, no prefix cache', () => {
		expect(one?.engine).toEqual({
			blockSize: 16,
			numGpuBlocks: Math.floor(411_525 / 16),
			maxNumSeqs: 256,
			maxNumBatchedTokens: 2048,
			maxModelLen: 40_960,
			longPrefillTokenThreshold: 0,
			policy: 'fcfs',
			asyncScheduling: false,
			watermark: 0,
			reserveFullIsl: true,
			prefixCaching: false,
		});
		expect(one?.gpuBytesPerGpu).toBe(72e9);
		expect(one?.step).toMatchObject({ hostUs: 3500, baseUs: 12_466, allReduceUs: 0 });
	});

	it('a model with a short context is not given a longer one', () => {
		expect(findProfile(setup.profiles, modelId('Gemma'), 'A100-SXM-80GB', 1)?.engine.maxModelLen).toBe(8192);
	});

	it('tensor parallelism divides kernels, adds communication, keeps the load', () => {
		expect(four?.step).toEqual({
			hostUs: 5000,
			hostPerSequenceUs: 0,
			baseUs: 12_466 / 4,
			perTokenOverKneeUs: 50.639 / 4,
			kneeTokens: 84,
			perDecodeSequenceUs: 4.106 / 4,
			perContextTokenUs: 0.084534 / 4,
			perPrefillTokenSquaredUs: 0.004467 / 4,
			allReduceUs: 1000,
		});
		expect(four?.loadUs).toBe(one?.loadUs);
		// (4 x 72e9 - 16060522496 - 4 x 2e9) / 131072 tokens in blocks of 16
		expect(four?.engine.numGpuBlocks).toBe(Math.floor((4 * 72e9 - 16_060_522_496 - 8e9) / 131_072 / 16));
	});

	it('host time of a sequence is set apart for one GPU and for a group', () => {
		const sets = ['engine.hostPerSequenceUs=70', 'engine.groupHostPerSequenceUs=9', 'workload.keepQueries=1'];
		const { profiles } = loadExperiment('mmlu-pro', { sets });
		for (const { tensorParallel, step } of profiles) {
			expect(step.hostPerSequenceUs).toBe(tensorParallel === 1 ? 70 : 9);
		}
	});

	it('CUDA graphs pad where the coefficients do not hold it, as far as vLLM captures them', () => {
		const limit = (...sets: readonly string[]) =>
			loadExperiment('mmlu-pro', { sets: [...sets, 'workload.keepQueries=1'] }).profiles[0]?.step
				.graphLimitSequences;
		expect(limit()).toBeUndefined();
		const current = 'engine.profile=vllm-v1';
		expect(limit(current)).toBe(512);
		expect(limit(current, 'engine.config.maxNumSeqs=20')).toBe(40);
		expect(limit(current, 'engine.config.maxNumSeqs=20', 'engine.config.maxNumBatchedTokens=30')).toBe(30);
		expect(limit(current, 'engine.graphLimitSequences=0')).toBeUndefined();
		expect(limit('engine.graphLimitSequences=64')).toBe(64);
		const own = loadExperiment('tiny', { sets: [current] }).profiles;
		for (const { step } of own) expect(step.graphLimitSequences).toBeUndefined();
	});

	it('loads take the 38 to 47 s of the paper', () => {
		for (const profile of setup.profiles) {
			expect(profile.loadUs).toBeGreaterThan(38e6);
			expect(profile.loadUs).toBeLessThan(47e6);
			expect(profile.stopUs).toBe(0);
			for (const times of Object.values(profile.sleep))
				expect(times?.sleepUs).toBeLessThan(times?.wakeUs ?? 0);
			// Waking spares the start of the engine; from host memory also the reading of the weights.
			expect(profile.sleep[1]?.wakeUs).toBeLessThan((profile.sleep[2]?.wakeUs ?? 0) / 3);
			expect(profile.sleep[2]?.wakeUs).toBeLessThan(profile.loadUs / 5);
		}
	});

	it('tensor parallelism is a power of two that divides the heads and stays in one host', () => {
		const parallel = (sets: readonly string[], model: string) =>
			loadExperiment('mmlu-pro', { sets: [...sets, 'workload.keepQueries=1', 'aggregator=null'] })
				.profiles.filter((profile) => profile.model === model)
				.map((profile) => [profile.gpuType, profile.tensorParallel]);
		const types = (...each: [string, number][]) => each;
		const a100 = 'A100-SXM-80GB';
		expect(parallel(['cluster.gpuCount=8'], 'Qwen')).toEqual(types([a100, 1], [a100, 2], [a100, 4]));
		expect(parallel(['cluster.gpuCount=6'], 'Gemma')).toEqual(types([a100, 1], [a100, 2], [a100, 4]));
		const mixed =
			'cluster={gpus: [{type: A100-SXM-80GB, host: a}, {type: A100-SXM-80GB, host: b}, {type: H100-SXM-80GB, host: a}, {type: H100-SXM-80GB, host: a}]}';
		expect(parallel([mixed], 'Gemma')).toEqual(types([a100, 1], ['H100-SXM-80GB', 1], ['H100-SXM-80GB', 2]));
	});

	itShared('data/gpu_cost.json', 'KV capacities are those of the table', async (file) => {
		const { readFileSync } = await import('node:fs');
		const { scaling_rule } = JSON.parse(readFileSync(file, 'utf8')) as {
			scaling_rule: { experts: Record<string, Record<string, { kv_capacity_tokens: number }>> };
		};
		for (const [type, experts] of Object.entries(scaling_rule.experts)) {
			const { profiles } = loadExperiment('pool16', {
				sets: [`cluster.gpuType=${type}`, 'workload.keepQueries=1'],
			});
			for (const [model, { kv_capacity_tokens }] of Object.entries(experts)) {
				const profile = findProfile(profiles, modelId(model), type, 1);
				expect(profile?.engine.numGpuBlocks, model).toBe(Math.floor(kv_capacity_tokens / 16));
			}
		}
	});

	it('engine overrides replace the profile, and a current vLLM differs by GPU type', () => {
		const h100 = loadExperiment('mmlu-pro', {
			sets: [
				'engine.profile=vllm-v1',
				'cluster.gpuType=H100-SXM-80GB',
				'engine.config.maxNumSeqs=64',
				'engine.hostUs=900',
				'engine.loadFixedSeconds=1',
				'workload.keepQueries=1',
			],
		}).profiles[0];
		expect(h100?.engine).toMatchObject({ maxNumSeqs: 64, maxNumBatchedTokens: 8192, asyncScheduling: true });
		expect(h100?.step.hostUs).toBe(900);
		expect(h100?.loadUs).toBeLessThan(8e6);
	});
});

describe('overrides', () => {
	it('options win over --set, --set over the file', () => {
		const setup = loadExperiment('mmlu-pro', {
			sets: ['seed=5', 'scheduler=round-robin', 'workload.keepQueries=3'],
			seed: 9,
			gate: 'unanimous',
			engineMode: 'leaping',
		});
		expect(setup).toMatchObject({
			seed: 9,
			scheduler: 'round-robin',
			gate: 'unanimous',
			engineMode: 'leaping',
		});
		expect(setup.queries).toHaveLength(3);
		expect(setup.resolved).toMatchObject({
			seed: 9,
			gate: { name: 'unanimous' },
			engine: { mode: 'leaping' },
		});
	});

	it('reach into lists and new fields', () => {
		const setup = loadExperiment('mmlu-pro', {
			sets: [
				'plan.sweepShares=[0.2, 1]',
				'pool.5=GLM',
				'engine.config.watermark=0.01',
				'workload.keepQueries=1',
			],
		});
		expect(setup.planOptions.sweepShares).toEqual([0.2, 1]);
		expect(setup.profiles[0]?.engine.watermark).toBe(0.01);
	});
});

describe('speed', () => {
	it.each([
		['mmlu-pro', 300],
		['medmcqa', 600],
	])('%s loads in less than %d ms', (name, limitMs) => {
		const times = [1, 2, 3].map((seed) => {
			const start = performance.now();
			loadExperiment(name, { seed });
			return performance.now() - start;
		});
		expect(Math.min(...times)).toBeLessThan(limitMs);
	});
});
