import { describe, expect, it } from 'vitest';
import { loadExperiment } from '../../traces/index.ts';

const load = (...sets: string[]) => loadExperiment('tiny', { sets });

describe('several engines on one GPU in an experiment', () => {
	it('are one unless it says otherwise, as in the paper', () => {
		const { cluster } = load();
		expect(cluster.enginesPerGpu).toBe(1);
		expect(cluster.gpus[0]).not.toHaveProperty('sharedSpeeds');
	});

	it('share as the GPU type says', () => {
		const { cluster } = load(
			'cluster.enginesPerGpu=3',
			'gpuTypes.toy-8GB={ memoryBytes: 8000000000, sharedSpeeds: [1, 0.8, 0.6] }',
		);
		expect(cluster.enginesPerGpu).toBe(3);
		expect(cluster.gpus.map(({ sharedSpeeds }) => sharedSpeeds)).toEqual([
			[1, 0.8, 0.6],
			[1, 0.8, 0.6],
		]);
	});

	it.each([
		['[0.9, 0.5]', 'begin with 1'],
		['[1, 0.5, 0.6]', 'never rise'],
		['[1, 0]', 'more than 0'],
		['[]', 'at least 1'],
	])('need speeds that make sense: %s', (speeds, message) => {
		expect(() => load(`gpuTypes.toy-8GB={ memoryBytes: 8000000000, sharedSpeeds: ${speeds} }`)).toThrow(
			new RegExp(`sharedSpeeds.*${message}`),
		);
	});

	it('take the share of memory that their model was given', () => {
		const { profiles } = load('engine.gpuMemoryShare=0.5', 'engine.gpuMemoryShareByModel={ toy-short: 0.3 }');
		const bytes = (model: string) =>
			profiles.find((profile) => profile.model === model && profile.tensorParallel === 1)?.gpuBytesPerGpu;
		expect(bytes('toy-short')).toBe(0.3 * 8e9);
		expect(bytes('toy-chatty')).toBe(0.5 * 8e9);
		const blocks = profiles.filter(({ tensorParallel }) => tensorParallel === 1);
		// Weights, KV blocks and the reserve lie within the share.
		for (const { engine, model } of blocks)
			expect(
				(model === 'toy-short' ? 1.2e9 : 1.6e9) + engine.numGpuBlocks * engine.blockSize * 2e4 + 0.5e9,
			).toBeLessThanOrEqual(model === 'toy-reason' ? Number.POSITIVE_INFINITY : (bytes(model) ?? 0));
	});

	it('have a share of their own only if they run', () => {
		expect(() => load('engine.gpuMemoryShareByModel={ toy-shrt: 0.3 }')).toThrow(
			/engine\.gpuMemoryShareByModel\.toy-shrt: expected a model of the pool or the aggregator .*got 'toy-shrt' \(did you mean 'toy-short'/,
		);
	});
});

describe('sleep', () => {
	it('keeps what the engine profile says on the GPU, and all weights in host RAM', () => {
		const { profiles, models, cluster } = load('cluster.hostRamBytes=3000000000');
		expect(cluster.hosts).toEqual([{ id: 'host0', ramBytes: 3e9 }]);
		for (const { model, sleepingGpuBytesPerGpu, sleepingHostBytes } of profiles) {
			expect(sleepingGpuBytesPerGpu).toBe(1.5 * 1024 ** 3);
			expect(sleepingHostBytes).toBe(models.find(({ id }) => id === model)?.weightBytes);
		}
	});

	it('is shared out among the GPUs of a group at level 1, and read whole by each at level 2', () => {
		const { profiles } = loadExperiment('gpqa');
		const wakeUs = (level: 1 | 2, count: number) =>
			profiles.find(({ model, tensorParallel }) => model === 'LlamaR1' && tensorParallel === count)?.sleep[
				level
			]?.wakeUs ?? 0;
		expect(wakeUs(1, 4)).toBeLessThan(wakeUs(1, 1) / 2);
		expect(wakeUs(2, 4)).toBe(wakeUs(2, 1));
		// 16 GB at 3.9 GB/s.
		expect(wakeUs(2, 1)).toBeGreaterThan(4e6);
		expect(wakeUs(2, 1)).toBeLessThan(5e6);
	});
});
