import type { EngineFactory, EngineMode, EngineModel } from '../domain/engine.ts';
import { UsageError } from '../domain/errors.ts';
import type { EngineConfig, StepCost } from '../domain/model.ts';
import { checkEngineConfig, checkStepCost } from './check-config.ts';
import { LeapingEngine } from './leaping.ts';
import { StepwiseEngine } from './stepwise.ts';

export { checkEngineConfig } from './check-config.ts';
export { replayTrace } from './replay.ts';
export { outputStream } from './token-chains.ts';
export { parseTrace } from './trace-format.ts';

/** @throws UsageError E_ENGINE_CONFIG for a configuration that the real engine would refuse to start with */
export const createStepwiseEngine: EngineFactory = (config, step) => {
	checkEngineConfig(config);
	checkStepCost(step);
	return new StepwiseEngine(config, step);
};

/**
 * The same engine at a cost that follows what happens, not the tokens generated.
 * @throws UsageError E_ENGINE_CONFIG
 */
export const createLeapingEngine: EngineFactory = (config, step) => {
	checkEngineConfig(config);
	checkStepCost(step);
	return new LeapingEngine(config, step);
};

/** @throws UsageError E_ENGINE_MODE, E_ENGINE_CONFIG */
export function createEngine(mode: EngineMode, config: EngineConfig, step: StepCost): EngineModel {
	if (mode === 'stepwise') return createStepwiseEngine(config, step);
	if (mode === 'leaping') return createLeapingEngine(config, step);
	throw new UsageError('E_ENGINE_MODE', `engine mode: expected 'stepwise' or 'leaping', got '${mode}'`);
}
