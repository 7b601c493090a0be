import type { LengthDistribution } from '../../sim/domain/distribution.ts';
import { present } from '../../sim/domain/errors.ts';
import type { ModelId } from '../../sim/domain/ids.ts';
import type { Cluster, ReplicaProfile } from '../../sim/domain/model.ts';
import { oneOf } from '../../sim/domain/one-of.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { didYouMean } from '../did-you-mean.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { FieldPath } from '../experiment-text.ts';
import { wholeGate } from '../gate-schema.ts';
import { generateWorkload, type WorkloadSpec } from '../generate/workload.ts';
import type { Inputs } from '../input-files.ts';
import type { EngineFile, TaskFile } from '../profile-schema.ts';
import { engineProfile, engineProfileNames, taskNames, taskProfile } from '../read-profile.ts';
import { arriving, demandOf, resolveArrivals } from './arrivals.ts';
import { aggregatorPromptParts, resolveBatch } from './batch.ts';
import { gateOptions, resolveCalibration } from './calibration.ts';
import { findModel, type ModelEntry, modelNames } from './catalog.ts';
import { resolveCluster } from './cluster.ts';
import type { Fail } from './fail.ts';
import { answerPartTokens, lengthDistribution, lengthForecasts, questionKnots } from './lengths.ts';
import { resolveLive } from './live.ts';
import { checkMeasured, withMeasuredGpus } from './measured.ts';
import { checkMemoryShares } from './memory-shares.ts';
import { kvCapacityTokens, maxModelLen, replicaProfiles } from './replica-profiles.ts';
import { resolveSlots } from './slots.ts';

/** A checked experiment file made into everything a run needs. What the schema cannot say is checked here. */
export function resolveExperiment(written: Experiment, inputs: Inputs, fail: Fail): Setup {
	checkMeasured(inputs.profiles, fail);
	const experiment = withMeasuredGpus(written, inputs.profiles);
	const cluster = resolveCluster(experiment, fail);
	checkMemoryShares(experiment, fail);
	const engine = engineOf(experiment, fail);
	const task = taskOf(experiment, fail);
	const modelAt = (id: string, path: FieldPath): ModelEntry => modelOf(experiment, inputs, id, path, fail);
	const pool = experiment.pool.map((id, index) => modelAt(id, ['pool', index]));
	const batch = resolveBatch(experiment, inputs, fail);
	const experts = resolveSlots(experiment, batch.count, pool, fail);
	const { aggregator } = experiment;
	const aggregatorEntry =
		aggregator === null ? undefined : modelAt(aggregator.model, ['aggregator', 'model']);
	const entries = new Map<ModelId, ModelEntry>(experts.map(({ entry }) => [entry.model.id, entry]));
	if (aggregatorEntry !== undefined) entries.set(aggregatorEntry.model.id, aggregatorEntry);

	const placeOf = (id: string): FieldPath =>
		experiment.pool.includes(id) ? ['pool', experiment.pool.indexOf(id)] : ['aggregator', 'model'];
	const profiles = [...entries.values()].flatMap((entry) =>
		profilesOf(experiment, engine, cluster, entry, placeOf(entry.model.id), fail),
	);
	for (const entry of entries.values()) checkLengths(experiment, task, entry, placeOf(entry.model.id), fail);
	if (aggregator !== null) checkAggregator(aggregator, profiles, fail);

	const { workload } = experiment;
	const drawn: WorkloadSpec = {
		seed: experiment.seed,
		task: task.task,
		slotsPerQuery: workload.slotsPerQuery,
		questions: batch.asked,
		keepQueries: workload.keepQueries ?? batch.count,
		experts: experts.map(({ entry, calls }) => ({
			id: entry.model.id,
			calls,
			distribution: distributions(experiment, task, entry, 'expert'),
			question: questionKnots(task, entry.tokenizer),
			tokensPerByte: entry.tokensPerByte,
			chatWrapperTokens: entry.chatWrapperTokens,
			outputLimitTokens: entry.model.outputLimitTokens,
			maxModelLen: maxModelLen(experiment, engine, entry),
			answerPart: (outputTokens, p) => answerPartTokens(task, entry, outputTokens, p),
		})),
		lengthCorrelation: workload.lengthCorrelation ?? task.lengthCorrelation.value,
		easeLengthCorrelation: workload.easeLengthCorrelation ?? task.easeLengthCorrelation.value,
		answers: workload.answers ?? task.answers,
		aggregator:
			aggregator === null || aggregatorEntry === undefined
				? null
				: {
						distribution: distributions(experiment, task, aggregatorEntry, 'aggregator'),
						table: task.aggregator,
						unanimousOverrideRate: aggregator.unanimousOverrideRate,
					},
	};
	const generated = generateWorkload(drawn);
	const arrivals = resolveArrivals(experiment, inputs, generated.queries.length, fail);
	const aggregatorPrompt = aggregatorPromptParts(batch, aggregatorEntry);
	return {
		name: experiment.name,
		seed: experiment.seed,
		cluster,
		models: [...entries.values()].map((entry) => entry.model),
		profiles,
		...generated,
		queries: arriving(generated.queries, arrivals),
		demand: demandOf(arrivals, batch, experts),
		aggregator:
			aggregator === null || aggregatorEntry === undefined
				? null
				: { model: aggregatorEntry.model.id, tensorParallel: aggregator.tensorParallel },
		aggregatorPrompt,
		tokensPerByte:
			batch.asked === null
				? null
				: Object.fromEntries([...entries.values()].map((entry) => [entry.model.id, entry.tokensPerByte])),
		lengths: lengthForecasts(experiment, task, batch, experts, aggregatorEntry, aggregatorPrompt),
		calibrationQuestions: workload.calibrationQuestions,
		planOptions: { ...experiment.plan, modelOrder: pool.map((entry) => entry.model.id) },
		engineMode: experiment.engine.mode,
		scheduler: experiment.scheduler,
		gate: wholeGate(experiment.gate).name,
		gateOptions: gateOptions(experiment),
		calibration: resolveCalibration(experiment, inputs, {
			workload: drawn,
			batch,
			aggregator: aggregatorEntry,
			aggregatorPrompt,
			profiles,
		}),
		sampleSeconds: experiment.report.sampleSeconds,
		questions: batch.asked?.slice(0, generated.queries.length).map(({ question }) => question) ?? null,
		live: resolveLive(experiment, batch.asked !== null, fail),
		resolved: written,
		inputs: inputs.files,
	};
}

function engineOf(experiment: Experiment, fail: Fail): EngineFile {
	const { profile } = experiment.engine;
	const found = engineProfile(profile);
	if (found !== undefined) return found;
	const known = engineProfileNames();
	throw fail(['engine', 'profile'], 'E_UNKNOWN_PROFILE', oneOf(known), named(profile, known));
}

function taskOf(experiment: Experiment, fail: Fail): TaskFile {
	const { task } = experiment.workload;
	const found = taskProfile(task);
	if (found !== undefined) return found;
	const known = taskNames();
	throw fail(['workload', 'task'], 'E_UNKNOWN_TASK', oneOf(known), named(task, known));
}

function modelOf(
	experiment: Experiment,
	{ profiles }: Inputs,
	id: string,
	path: FieldPath,
	fail: Fail,
): ModelEntry {
	const entry = findModel(experiment, id, profiles);
	if (entry !== undefined) return entry;
	const known = modelNames(experiment, profiles);
	throw fail(path, 'E_UNKNOWN_MODEL', oneOf(known), named(id, known));
}

/** Profiles of a model; an expert must have one for a single GPU, as every policy but `sequential` serves it there. */
function profilesOf(
	experiment: Experiment,
	engine: EngineFile,
	cluster: Cluster,
	entry: ModelEntry,
	path: FieldPath,
	fail: Fail,
): readonly ReplicaProfile[] {
	const profiles = replicaProfiles(experiment, engine, cluster, entry);
	const isExpert = path[0] === 'pool';
	if (profiles.some((profile) => !isExpert || profile.tensorParallel === 1)) return profiles;
	const { id, weightBytes } = entry.model;
	const types = [...new Set(cluster.gpus.map((gpu) => gpu.type))];
	const timed = types.filter((type) => entry.kernelCost(type) !== undefined);
	if (timed.length === 0) {
		throw fail(path, 'E_PROFILE_MISSING', `a model with step times on ${types.join(' or ')}`, `'${id}'`);
	}
	const longest = maxModelLen(experiment, engine, entry);
	const room = Math.max(0, ...timed.map((type) => kvCapacityTokens(experiment, engine, entry, type, 1)));
	throw fail(
		path,
		'E_MODEL_DOES_NOT_FIT',
		`a model that fits a GPU (weights and KV cache of ${longest} tokens, within engine.config.numGpuBlocks if set)`,
		`'${id}' with ${(weightBytes / 1e9).toFixed(1)} GB of weights and room for ${room} tokens on one`,
	);
}

function checkLengths(
	experiment: Experiment,
	task: TaskFile,
	entry: ModelEntry,
	path: FieldPath,
	fail: Fail,
): void {
	if (lengthDistribution(experiment, task, entry, 'expert') !== undefined) return;
	const { id } = entry.model;
	const expected = `a model with output lengths for ${task.task} (give them under workload.lengths.${id})`;
	throw fail(path, 'E_PROFILE_MISSING', expected, `'${id}'`);
}

function checkAggregator(
	aggregator: NonNullable<Experiment['aggregator']>,
	profiles: readonly ReplicaProfile[],
	fail: Fail,
): void {
	const possible = profiles
		.filter((profile) => profile.model === aggregator.model)
		.map((each) => each.tensorParallel);
	if (possible.includes(aggregator.tensorParallel)) return;
	throw fail(
		['aggregator', 'tensorParallel'],
		'E_TENSOR_PARALLEL',
		`${oneOf([...new Set(possible)])} for ${aggregator.model} on this cluster`,
		String(aggregator.tensorParallel),
	);
}

/** Output lengths by task, each worked out once. */
function distributions(
	...[experiment, task, entry, role]: Parameters<typeof lengthDistribution>
): (taskName: string) => LengthDistribution {
	const known = new Map<string, LengthDistribution>();
	return (taskName) => {
		let distribution = known.get(taskName);
		if (distribution === undefined) {
			distribution = present(
				lengthDistribution(experiment, task, entry, role, taskName),
				`output lengths of ${entry.model.id}`,
			);
			known.set(taskName, distribution);
		}
		return distribution;
	};
}

const named = (name: string, known: readonly string[]): string => `'${name}'${didYouMean(name, known)}`;
