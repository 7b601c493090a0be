import { describe, expect, it } from 'vitest';
import type { EngineMode } from '../../sim/domain/engine.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import type { EngineConfig } from '../../sim/domain/model.ts';
import { createEngine, createStepwiseEngine } from '../../sim/engine/index.ts';
import { CONFIG, COST } from './drive.ts';

describe('engine configuration', () => {
	it.each([
		[{ maxNumSeqs: 0 }, 'maxNumSeqs: expected a whole number of at least 1, got 0'],
		[{ blockSize: 1.5 }, 'blockSize: expected a whole number of at least 1, got 1.5'],
		[{ maxModelLen: Number.NaN }, 'maxModelLen: expected a whole number of at least 2, got NaN'],
		[
			{ longPrefillTokenThreshold: -1 },
			'longPrefillTokenThreshold: expected a whole number of at least 0, got -1',
		],
		[{ maxNumBatchedTokens: 7 }, 'maxNumBatchedTokens: expected at least maxNumSeqs (8), got 7'],
		[{ watermark: 1 }, 'watermark: expected a share from 0 to less than 1, got 1'],
		[{ policy: 'lifo' as 'fcfs' }, `policy: expected 'fcfs' or 'priority', got "lifo"`],
		[
			{ numGpuBlocks: 50 },
			'numGpuBlocks: expected at least 51, room for one sequence of maxModelLen (200 tokens), got 50',
		],
	] satisfies [Partial<EngineConfig>, string][])('refuses %j', (change, message) => {
		const create = () => createStepwiseEngine({ ...CONFIG, ...change }, COST);
		expect(create).toThrow(new UsageError('E_ENGINE_CONFIG', `engine config: ${message}`));
	});

	it('accepts memory for exactly one sequence', () => {
		expect(() => createStepwiseEngine({ ...CONFIG, numGpuBlocks: 51 }, COST)).not.toThrow();
	});

	it('refuses a negative or missing cost', () => {
		expect(() => createStepwiseEngine(CONFIG, { ...COST, baseUs: -1 })).toThrow(
			'engine config: step.baseUs: expected a number of at least 0, got -1',
		);
		expect(() => createStepwiseEngine(CONFIG, { ...COST, hostUs: Number.NaN })).toThrow('step.hostUs');
		expect(() => createStepwiseEngine(CONFIG, { ...COST, graphLimitSequences: 1.5 })).toThrow(
			'step.graphLimitSequences: expected a whole number of at least 0, got 1.5',
		);
	});

	it('names the modes it knows', () => {
		expect(() => createEngine('quantum' as EngineMode, CONFIG, COST)).toThrow(
			`expected 'stepwise' or 'leaping', got 'quantum'`,
		);
	});
});
