import { modelId } from '../../sim/domain/ids.ts';
import type { Model, ReplicaProfile, SleepTimes } from '../../sim/domain/model.ts';
import { usFromSeconds } from '../../sim/domain/units.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { MeasuredProfile } from '../profile-file.ts';
import type { Fail } from './fail.ts';

/** Profiles must not contradict each other: one for each (model, GPU type, tensor parallelism), one truth about each model and each GPU type. */
export function checkMeasured(profiles: readonly MeasuredProfile[], fail: Fail): void {
	profiles.forEach((profile, index) => {
		const { model, gpu, tensorParallel } = profile;
		const clash = (expected: string, got: string) =>
			fail(['profiles', index], 'E_PROFILE_CLASH', expected, got);
		for (const other of profiles.slice(0, index)) {
			const sameGpu = other.gpu.type === gpu.type;
			if (sameGpu && other.gpu.memoryBytes !== gpu.memoryBytes)
				throw clash(
					`${gpu.type} with ${other.gpu.memoryBytes} bytes, as an earlier profile has it`,
					`${gpu.memoryBytes} bytes`,
				);
			if (other.model.id !== model.id) continue;
			const field = MODEL_FACTS.find((name) => other.model[name] !== model[name]);
			if (field !== undefined)
				throw clash(
					`${model.id} with ${field} ${other.model[field]}, as an earlier profile has it`,
					String(model[field]),
				);
			if (sameGpu && other.tensorParallel === tensorParallel)
				throw clash(
					'one profile for each model, GPU type and tensor parallelism',
					`a second one of ${model.id} on ${tensorParallel} x ${gpu.type}`,
				);
		}
	});
}

const MODEL_FACTS = [
	'modelClass',
	'weightBytes',
	'kvBytesPerToken',
	'contextLimitTokens',
	'outputLimitTokens',
	'attentionHeads',
	'tokenizer',
] as const;

/** The experiment with the GPU types that profiles were measured on; what its file says of a type stands. */
export const withMeasuredGpus = (
	experiment: Experiment,
	profiles: readonly MeasuredProfile[],
): Experiment => ({
	...experiment,
	gpuTypes: {
		...Object.fromEntries(profiles.map(({ gpu: { type, ...facts } }) => [type, facts])),
		...experiment.gpuTypes,
	},
});

export function measuredModel({ model }: MeasuredProfile): Model {
	const { checkpoint, modelClass, weightBytes, kvBytesPerToken } = model;
	const { contextLimitTokens, outputLimitTokens, attentionHeads } = model;
	return {
		id: modelId(model.id),
		checkpoint,
		modelClass,
		weightBytes,
		kvBytesPerToken,
		contextLimitTokens,
		outputLimitTokens,
		attentionHeads,
	};
}

/** The profile as the simulator takes it. Settings of `engine.config` replace those it was measured with. */
export function measuredReplica(
	profile: MeasuredProfile,
	overrides: Experiment['engine']['config'],
	maxModelLen: number,
): ReplicaProfile {
	const { times, memory, step } = profile;
	const { graphLimitSequences, ...coefficients } = step;
	const set = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
	return {
		model: modelId(profile.model.id),
		gpuType: profile.gpu.type,
		tensorParallel: profile.tensorParallel,
		engine: { ...profile.engine.config, ...set, maxModelLen },
		step: { ...coefficients, ...(graphLimitSequences === undefined ? {} : { graphLimitSequences }) },
		loadUs: Math.max(1, usFromSeconds(times.load.seconds)),
		stopUs: usFromSeconds(times.stop.seconds),
		sleep: { 1: sleepTimes(times.sleep1), 2: sleepTimes(times.sleep2) },
		gpuBytesPerGpu: memory.gpuBytesPerGpu,
		sleepingGpuBytesPerGpu: memory.sleepingGpuBytesPerGpu,
		sleepingHostBytes: memory.sleepingHostBytes,
	};
}

const sleepTimes = (level: MeasuredProfile['times']['sleep1']): SleepTimes | null =>
	level === null
		? null
		: { sleepUs: usFromSeconds(level.sleep.seconds), wakeUs: usFromSeconds(level.wake.seconds) };
