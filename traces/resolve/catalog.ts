import { modelId } from '../../sim/domain/ids.ts';
import type { Model, StepCost } from '../../sim/domain/model.ts';
import type { Experiment } from '../experiment-schema.ts';
import { gpuProfile, modelRecords, promptsFile } from '../read-profile.ts';

/** The parts of a step that the GPU and the model make, without host and communication. */
export type KernelCost = Omit<StepCost, 'hostUs' | 'hostPerSequenceUs' | 'allReduceUs'>;

/** All that is known of one model before engine and GPU are chosen. */
export interface ModelEntry {
	readonly model: Model;
	/** Whose prompt lengths it uses. */
	readonly tokenizer: string;
	readonly chatWrapperTokens: number;
	/** Tokens after the reasoning part when they are the same for every call, else undefined. */
	readonly answerPartTokens: number | undefined;
	/** Undefined when its step time on that GPU type is not known. */
	kernelCost(gpuType: string): KernelCost | undefined;
}

/** Model of that id as the experiment file defines it, else the bundled one, else undefined. */
export function findModel(experiment: Experiment, id: string): ModelEntry | undefined {
	const inline = own(experiment.models, id);
	if (inline !== undefined) {
		const { tokenizer, chatWrapperTokens, answerPartTokens, stepCost, ...limits } = inline;
		return {
			model: { ...limits, id: modelId(id), checkpoint: limits.checkpoint || id },
			tokenizer,
			chatWrapperTokens,
			answerPartTokens,
			kernelCost: () => stepCost,
		};
	}
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
		chatWrapperTokens: promptsFile().chatWrappers[bundled.chatWrapper]?.tokens ?? 0,
		answerPartTokens: undefined,
		kernelCost(gpuType) {
			const costs = gpuProfile(gpuType)?.stepCost;
			const cost = costs === undefined ? undefined : own(costs, id);
			if (cost === undefined) return undefined;
			const { fitErrorPercent: _, basis: __, source: ___, ...kernel } = cost;
			return kernel;
		},
	};
}

/** Bytes of one GPU of that type, or undefined for an unknown type. */
export function gpuMemoryBytes(experiment: Experiment, type: string): number | undefined {
	return own(experiment.gpuTypes, type)?.memoryBytes ?? gpuProfile(type)?.memoryBytes;
}

export const modelNames = (experiment: Experiment): readonly string[] => [
	...Object.keys(experiment.models),
	...Object.keys(modelRecords()),
];

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
	return Object.hasOwn(record, key) ? record[key] : undefined;
}
