import { UsageError } from '../domain/errors.ts';
import type { EngineConfig, StepCost } from '../domain/model.ts';

/**
 * Refuses what the real engine refuses at its start.
 * @throws UsageError E_ENGINE_CONFIG naming the field, what was expected and what came
 */
export function checkEngineConfig(config: EngineConfig): void {
	wholeFrom(1, 'blockSize', config.blockSize);
	wholeFrom(2, 'numGpuBlocks', config.numGpuBlocks);
	wholeFrom(1, 'maxNumSeqs', config.maxNumSeqs);
	wholeFrom(1, 'maxNumBatchedTokens', config.maxNumBatchedTokens);
	wholeFrom(2, 'maxModelLen', config.maxModelLen);
	wholeFrom(0, 'longPrefillTokenThreshold', config.longPrefillTokenThreshold);
	if (config.policy !== 'fcfs' && config.policy !== 'priority')
		fail('policy', `'fcfs' or 'priority'`, JSON.stringify(config.policy));
	if (!(config.watermark >= 0 && config.watermark < 1))
		fail('watermark', 'a share from 0 to less than 1', String(config.watermark));
	if (config.maxNumBatchedTokens < config.maxNumSeqs)
		fail(
			'maxNumBatchedTokens',
			`at least maxNumSeqs (${config.maxNumSeqs})`,
			String(config.maxNumBatchedTokens),
		);
	// The last token of a sequence is never computed, and one block is vLLM's null block. A sequence that outgrew all
	// blocks with nobody left to preempt would wait for ever: vLLM has no other end for it.
	const needed = Math.ceil((config.maxModelLen - 1) / config.blockSize) + 1;
	if (config.numGpuBlocks < needed)
		fail(
			'numGpuBlocks',
			`at least ${needed}, room for one sequence of maxModelLen (${config.maxModelLen} tokens)`,
			String(config.numGpuBlocks),
		);
}

/** @throws UsageError E_ENGINE_CONFIG when a coefficient is negative or not a number */
export function checkStepCost(cost: StepCost): void {
	for (const [field, value] of Object.entries(cost))
		if (!(Number.isFinite(value) && value >= 0))
			fail(`step.${field}`, 'a number of at least 0', String(value));
	wholeFrom(0, 'step.graphLimitSequences', cost.graphLimitSequences ?? 0);
}

function wholeFrom(least: number, field: string, value: number): void {
	if (!(Number.isSafeInteger(value) && value >= least))
		fail(field, `a whole number of at least ${least}`, String(value));
}

function fail(field: string, expected: string, got: string): never {
	throw new UsageError('E_ENGINE_CONFIG', `engine config: ${field}: expected ${expected}, got ${got}`);
}
