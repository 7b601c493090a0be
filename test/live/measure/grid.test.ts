import { describe, expect, it } from 'vitest';
import { stepGrid } from '../../../live/measure/grid.ts';
import { SMALL_ENGINE } from '../../support/setup-builder.ts';

const engine = { ...SMALL_ENGINE, maxNumSeqs: 32, maxModelLen: 8192, numGpuBlocks: 1025 };
const kvTokens = (engine.numGpuBlocks - 1) * engine.blockSize;

describe('the grid of a profile', () => {
	const grid = stepGrid(engine);

	it('has every batch up to the seats of the engine, and long contexts', () => {
		expect(new Set(grid.map(({ calls }) => calls))).toEqual(new Set([1, 2, 4, 8, 16, 32]));
		expect(Math.max(...grid.map(({ promptTokens }) => promptTokens))).toBe(6000);
	});

	it('never fills the engine: nothing waits, nothing is preempted', () => {
		for (const { calls, promptTokens, outputTokens } of grid) {
			const blocks = calls * Math.ceil((promptTokens + outputTokens) / engine.blockSize);
			expect(blocks * engine.blockSize).toBeLessThan(kvTokens);
			expect(promptTokens + outputTokens).toBeLessThan(engine.maxModelLen);
			expect(calls).toBeLessThanOrEqual(engine.maxNumSeqs);
		}
	});

	it('gives each run a name of its own by which calibration knows it', () => {
		expect(new Set(grid.map(({ name }) => name)).size).toBe(grid.length);
		for (const { name } of grid) expect(name.split('-')).toContain('grid');
	});

	it('shrinks with the engine and is never empty', () => {
		const small = stepGrid({ ...engine, maxNumSeqs: 1, maxModelLen: 128, numGpuBlocks: 9 });
		expect(small.map(({ promptTokens }) => promptTokens)).toEqual([16, 64, 16, 64, 16, 64]);
	});
});
