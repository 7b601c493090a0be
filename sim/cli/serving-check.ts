import { modelRecords } from '../../traces/read-profile.ts';
import { bundledReplica } from '../../traces/resolve/bundled-replica.ts';
import { UsageError } from '../domain/errors.ts';
import type { MeasuredServing } from '../domain/measured-run.ts';
import { oneOf } from '../domain/one-of.ts';
import { createStepwiseEngine } from '../engine/index.ts';
import { compareServing, type ServingComparison } from '../study/calibrate-serving.ts';

/** Bundled profiles against measured steady serving. */
export interface ServingCheck {
	readonly engineProfile: string;
	readonly rows: readonly ServingComparison[];
	readonly tpotMeanAbsoluteErrorPercent: number;
	/** Token budget of a step in the simulated engine. */
	readonly maxNumBatchedTokens: number;
	/** The same with the profile's own budget, beyond what its step costs were fitted for. */
	readonly atProfileBudget: {
		readonly maxNumBatchedTokens: number;
		readonly tpotMeanAbsoluteErrorPercent: number;
	};
}

const ENGINE_PROFILE = 'vllm-v1';

/** Names of GPUs in published tables. */
const GPU_TYPES: Readonly<Record<string, string>> = {
	a100_sxm: 'A100-SXM-80GB',
	h100_sxm: 'H100-SXM-80GB',
	h200_sxm: 'H200-SXM-141GB',
};

/**
 * Most prefill tokens a step may hold for the bundled step costs to apply: their fit covers steps up to here
 * (`about` of traces/profiles/gpus).
 */
const FITTED_STEP_TOKENS = 2048;

/** @throws UsageError E_PROFILE_MISSING for a model or GPU that no bundled profile covers */
export function checkServing(measured: readonly MeasuredServing[]): ServingCheck {
	const within = measured.map((each) => compare(each, FITTED_STEP_TOKENS));
	const beyond = measured.map((each) => compare(each, Number.POSITIVE_INFINITY));
	return {
		engineProfile: ENGINE_PROFILE,
		rows: within.map(({ comparison }) => comparison),
		tpotMeanAbsoluteErrorPercent: meanAbsolute(within),
		maxNumBatchedTokens: Math.max(...within.map(({ budget }) => budget)),
		atProfileBudget: {
			maxNumBatchedTokens: Math.max(...beyond.map(({ budget }) => budget)),
			tpotMeanAbsoluteErrorPercent: meanAbsolute(beyond),
		},
	};
}

interface Compared {
	readonly comparison: ServingComparison;
	readonly budget: number;
}

function compare(measured: MeasuredServing, mostTokens: number): Compared {
	const { engine, step } = profileOf(measured);
	const config = { ...engine, maxNumBatchedTokens: Math.min(engine.maxNumBatchedTokens, mostTokens) };
	const { promptTokens, outputTokens, place } = measured;
	if (promptTokens + outputTokens > config.maxModelLen) {
		throw new UsageError(
			'E_MEASURED_SERVING',
			`${place}: prompt_tokens and output_tokens: expected at most ${config.maxModelLen} together, got ${promptTokens + outputTokens}`,
		);
	}
	return {
		comparison: compareServing(measured, createStepwiseEngine(config, step)),
		budget: config.maxNumBatchedTokens,
	};
}

function profileOf({ place, model, gpu }: MeasuredServing) {
	const records = Object.entries(modelRecords());
	const found = records.find(([name, { checkpoint }]) => checkpoint === model || name === model)?.[0];
	const gpuType = GPU_TYPES[gpu];
	if (found === undefined) {
		const known = oneOf(records.map(([, { checkpoint }]) => checkpoint));
		throw new UsageError('E_PROFILE_MISSING', `${place}: model: expected ${known}, got '${model}'`);
	}
	const profile = gpuType === undefined ? undefined : bundledReplica(gpuType, found, ENGINE_PROFILE);
	if (profile === undefined) {
		const known = oneOf(Object.keys(GPU_TYPES));
		throw new UsageError('E_PROFILE_MISSING', `${place}: gpu: expected ${known}, got '${gpu}'`);
	}
	return profile;
}

const meanAbsolute = (compared: readonly Compared[]): number =>
	compared.reduce((sum, { comparison }) => sum + Math.abs(comparison.tpotErrorPercent), 0) / compared.length;
