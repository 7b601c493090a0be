import type { Calibration, GateOptions, PastQuery } from '../../sim/domain/calibration.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { Experiment } from '../experiment-schema.ts';
import { wholeGate } from '../gate-schema.ts';
import { type AggregatorLimits, generatePast } from '../generate/calibration.ts';
import type { WorkloadSpec } from '../generate/workload.ts';
import type { Inputs } from '../input-files.ts';
import type { Batch } from './batch.ts';
import type { ModelEntry } from './catalog.ts';

export function gateOptions(experiment: Experiment): GateOptions {
	const { budgetPoints, confidence, audit, cuts } = wholeGate(experiment.gate);
	return { budgetPoints, confidence, auditShare: audit, cuts };
}

export interface PastParts {
	readonly workload: WorkloadSpec;
	readonly batch: Batch;
	readonly aggregator: ModelEntry | undefined;
	readonly aggregatorPrompt: AggregatorLimits['prompt'];
	readonly profiles: readonly ReplicaProfile[];
}

/** Past queries of the file that the experiment names, else simulated ones, drawn when they are first asked for. */
export function resolveCalibration(
	experiment: Experiment,
	{ calibration: recorded }: Inputs,
	parts: PastParts,
): Calibration {
	if (recorded !== null) {
		const { file, queries } = recorded;
		return { source: `${queries.length} past queries of ${file}`, queries: () => queries };
	}
	const count = wholeGate(experiment.gate).calibrationQueries;
	let drawn: readonly PastQuery[] | null = null;
	return {
		source: `${count} simulated past queries`,
		queries() {
			drawn ??= generatePast({
				workload: parts.workload,
				batchQueries: parts.batch.count,
				count,
				taskShares: taskShares(parts.batch),
				aggregator: aggregatorLimits(experiment, parts),
			});
			return drawn;
		},
	};
}

function taskShares({ asked, tasks }: Batch): { readonly task: string; readonly share: number }[] {
	if (asked === null) return tasks.map((task) => ({ task, share: 1 }));
	return tasks.map((task) => ({
		task,
		share: asked.filter((each) => each.task === task).length / asked.length,
	}));
}

function aggregatorLimits(
	{ aggregator }: Experiment,
	{ aggregator: entry, aggregatorPrompt, profiles }: PastParts,
): AggregatorLimits | null {
	if (aggregator === null || entry === undefined) return null;
	const profile = profiles.find(
		({ model, tensorParallel }) => model === entry.model.id && tensorParallel === aggregator.tensorParallel,
	);
	return {
		prompt: aggregatorPrompt,
		outputLimitTokens: entry.model.outputLimitTokens,
		maxModelLen: profile?.engine.maxModelLen ?? entry.model.contextLimitTokens,
	};
}
