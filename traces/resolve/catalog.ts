import { modelId } from '../../sim/domain/ids.ts';
import type { Model, StepCost } from '../../sim/domain/model.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { MeasuredProfile } from '../profile-file.ts';
import { tokensPerByte as knownTokensPerByte } from '../questions/token-estimate.ts';
import { gpuProfile, modelRecords, promptsFile } from '../read-profile.ts';
import { measuredModel } from './measured.ts';

/** The parts of a step that the GPU and the model make, without host and communication. */
export type KernelCost = Omit<StepCost, 'hostUs' | 'hostPerSequenceUs' | 'allReduceUs'>;

/** All that is known of one model before engine and GPU are chosen. */
export interface ModelEntry {
	readonly model: Model;
	/** Whose prompt lengths it uses. */
	readonly tokenizer: string;
	/** Tokens of a byte of question text. */
	readonly tokensPerByte: number;
	readonly chatWrapperTokens: number;
	/** Tokens after the reasoning part when they are the same for every call, else undefined. */
	readonly answerPartTokens: number | undefined;
	/** Undefined when its step time on that GPU type is not known. */
	kernelCost(gpuType: string): KernelCost | undefined;
	/** Profiles of it that were measured, at most one for each GPU type and tensor parallelism. */
	readonly measured: readonly MeasuredProfile[];
}

/** Model of that id as the experiment file defines it, else as it was measured, else the bundled one, else undefined. */
export function findModel(
	experiment: Experiment,
	id: string,
	profiles: readonly MeasuredProfile[] = [],
): ModelEntry | undefined {
	const measured = profiles.filter((profile) => profile.model.id === id);
	return inlineModel(experiment, id, measured) ?? measuredEntry(id, measured) ?? bundledModel(id);
}

function inlineModel(
	experiment: Experiment,
	id: string,
	measured: readonly MeasuredProfile[],
): ModelEntry | undefined {
	const inline = own(experiment.models, id);
	if (inline === undefined) return undefined;
	const { tokenizer, tokensPerByte, chatWrapperTokens, answerPartTokens, stepCost, ...limits } = inline;
	return {
		model: { ...limits, id: modelId(id), checkpoint: limits.checkpoint || id },
		tokenizer,
		tokensPerByte: tokensPerByte ?? knownTokensPerByte(tokenizer),
		chatWrapperTokens,
		answerPartTokens,
		// Coefficients of one's own are taken as they are: measured on a server, they hold the padding of its graphs.
		kernelCost: () => ({ ...stepCost, graphLimitSequences: 0 }),
		measured,
	};
}

/** GPU types that it was not measured on have the step times of the bundled model of that id, if there is one. */
function measuredEntry(id: string, measured: readonly MeasuredProfile[]): ModelEntry | undefined {
	const [first] = measured;
	if (first === undefined) return undefined;
	const { tokenizer, tokensPerByte, chatWrapperTokens, answerPartTokens } = first.model;
	return {
		model: measuredModel(first),
		tokenizer,
		tokensPerByte: tokensPerByte ?? knownTokensPerByte(tokenizer),
		chatWrapperTokens,
		answerPartTokens,
		kernelCost: (gpuType) => bundledModel(id)?.kernelCost(gpuType),
		measured,
	};
}

function bundledModel(id: string): ModelEntry | undefined {
	const bundled = own(modelRecords(), id);
	if (bundled === undefined) return undefined;
	return {
		model: {
			id: modelId(id),
			checkpoint: bundled.checkpoint,
			modelClass: bundled.modelClass,
			weightBytes: bundled.weightBytes,
			kvBytesPerToken: bundled.kvBytesPerToken,
			contextLimitTokens: bundled.contextLimitTokens,
			outputLimitTokens: bundled.outputLimitTokens,
			attentionHeads: bundled.attentionHeads,
		},
		tokenizer: bundled.tokenizer,
		tokensPerByte: knownTokensPerByte(bundled.tokenizer),
		chatWrapperTokens: promptsFile().chatWrappers[bundled.chatWrapper]?.tokens ?? 0,
		answerPartTokens: undefined,
		kernelCost(gpuType) {
			const costs = gpuProfile(gpuType)?.stepCost;
			const cost = costs === undefined ? undefined : own(costs, id);
			if (cost === undefined) return undefined;
			const { fitErrorPercent: _, basis: __, source: ___, ...kernel } = cost;
			return kernel;
		},
		measured: [],
	};
}

/** How engines share a GPU of that type; undefined where it was not measured. */
export function sharedSpeeds(experiment: Experiment, type: string): readonly number[] | undefined {
	return own(experiment.gpuTypes, type)?.sharedSpeeds ?? gpuProfile(type)?.sharing?.sharedSpeeds;
}

/** Bytes of one GPU of that type, or undefined for an unknown type. */
export function gpuMemoryBytes(experiment: Experiment, type: string): number | undefined {
	return own(experiment.gpuTypes, type)?.memoryBytes ?? gpuProfile(type)?.memoryBytes;
}

export const modelNames = (
	experiment: Experiment,
	profiles: readonly MeasuredProfile[],
): readonly string[] => [
	...new Set([
		...Object.keys(experiment.models),
		...profiles.map(({ model }) => model.id),
		...Object.keys(modelRecords()),
	]),
];

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
	return Object.hasOwn(record, key) ? record[key] : undefined;
}
