import { type LengthDistribution, meanTokens } from '../../sim/domain/distribution.ts';
import type { ModelId } from '../../sim/domain/ids.ts';
import type { LengthForecast, Setup } from '../../sim/domain/setup.ts';
import type { CallRole } from '../../sim/domain/work.ts';
import type { Experiment } from '../experiment-schema.ts';
import { type Knots, meanFromKnots, quantileFromKnots } from '../knots.ts';
import type { TaskFile } from '../profile-schema.ts';
import { estimateTokens } from '../questions/token-estimate.ts';
import { taskProfile } from '../read-profile.ts';
import type { Batch } from './batch.ts';
import type { ModelEntry } from './catalog.ts';

/**
 * Output tokens of a model on a task in one role, scale included: as the experiment says, else as measured, else as bundled; a task that
 * nobody knows has the lengths of the experiment's own.
 * @param task the experiment's
 * @param taskName that of the question, where questions have their own
 * @returns undefined when nobody knows that model
 */
export function lengthDistribution(
	experiment: Experiment,
	task: TaskFile,
	entry: ModelEntry,
	role: CallRole,
	taskName: string = task.task,
): LengthDistribution | undefined {
	const { id, modelClass, outputLimitTokens } = entry.model;
	const parameters =
		experiment.workload.lengths[id] ??
		measuredLengths(entry, taskName, role) ??
		taskProfile(taskName)?.lengths[id] ??
		measuredLengths(entry, task.task, role) ??
		task.lengths[id];
	if (parameters === undefined) return undefined;
	const { factor, appliesTo } = experiment.workload.lengthScale;
	const expertScale = appliesTo === 'all' || appliesTo === modelClass ? factor : 1;
	return {
		body: parameters.body,
		shiftTokens: parameters.shiftTokens,
		capTokens: Math.min(parameters.capTokens, outputLimitTokens),
		runawayShare: parameters.runawayShare,
		scale: role === 'expert' ? expertScale : (experiment.aggregator?.lengthScale ?? 1),
	};
}

const measuredLengths = (entry: ModelEntry, task: string, role: CallRole) =>
	entry.measured.map(({ lengths }) => lengths[task]?.[role]).find((found) => found !== undefined);

/** Tokens of a question with its instruction under a model's tokenizer, as quantiles. */
export function questionKnots(
	task: TaskFile,
	tokenizer: string,
): { readonly knots: Knots; readonly largest: number } {
	const prompt = task.prompts[tokenizer] ?? Object.values(task.prompts)[0];
	if (prompt === undefined) return { knots: [], largest: 1 };
	return { knots: [...prompt.knots, [1 - 0.5 / prompt.count, prompt.maxTokens]], largest: prompt.maxTokens };
}

/**
 * Tokens after the reasoning part, which is what an aggregator reads. Instruct models: the whole output.
 * Reasoning models: the quantile `p` of the task (LlamaR1's where the model has none), at most the whole output.
 */
export function answerPartTokens(task: TaskFile, entry: ModelEntry, outputTokens: number, p: number): number {
	if (entry.model.modelClass === 'instruct') return outputTokens;
	if (entry.answerPartTokens !== undefined) return Math.min(outputTokens, entry.answerPartTokens);
	const part = task.answerParts[entry.model.id] ?? task.answerParts.LlamaR1;
	return part === undefined ? outputTokens : quantileFromKnots(part.knots, outputTokens, p);
}

/**
 * One forecast per task and model with expert calls, then the aggregator's. Expected values of the profiles, never of the run's own draws.
 * @param aggregatorPrompt fixed parts of an aggregator's prompt
 */
export function lengthForecasts(
	experiment: Experiment,
	task: TaskFile,
	batch: Batch,
	experts: readonly { readonly entry: ModelEntry; readonly calls: number }[],
	aggregator: ModelEntry | undefined,
	aggregatorPrompt: Setup['aggregatorPrompt'],
): readonly LengthForecast[] {
	const promptMeans = new Map<string, number>();
	const promptMean = (entry: ModelEntry, taskName: string): number => {
		const key = `${entry.tokenizer}/${entry.tokensPerByte}/${taskName}`;
		const mean = promptMeans.get(key) ?? meanQuestionTokens(task, batch, entry, taskName);
		promptMeans.set(key, mean);
		return mean + entry.chatWrapperTokens;
	};
	const forecast = (
		entry: ModelEntry,
		role: CallRole,
		taskName: string,
		meanPromptTokens: number,
	): LengthForecast[] => {
		const distribution = lengthDistribution(experiment, task, entry, role, taskName);
		return distribution === undefined
			? []
			: [{ model: entry.model.id, task: taskName, role, distribution, meanPromptTokens }];
	};
	return batch.tasks.flatMap((taskName) => {
		const forecasts = experts.flatMap(({ entry }) =>
			forecast(entry, 'expert', taskName, promptMean(entry, taskName)),
		);
		if (aggregator === undefined) return forecasts;
		const distributions = new Map<ModelId, LengthDistribution>(
			forecasts.map((each) => [each.model, each.distribution]),
		);
		const { baseTokens, perAnswerTokens } = aggregatorPrompt;
		const k = experiment.workload.slotsPerQuery;
		const calls = experts.reduce((sum, each) => sum + each.calls, 0);
		const answerMean = experts.reduce((sum, { entry, calls: count }) => {
			const distribution = distributions.get(entry.model.id);
			return distribution === undefined
				? sum
				: sum + (count * meanAnswerPart(task, entry, distribution)) / calls;
		}, 0);
		const mean = baseTokens + k * (perAnswerTokens + answerMean) + promptMean(aggregator, taskName);
		return [...forecasts, ...forecast(aggregator, 'aggregator', taskName, mean)];
	});
}

/** Mean tokens of a question with its instruction: of those that are read, else of those that the task draws. */
function meanQuestionTokens(task: TaskFile, batch: Batch, entry: ModelEntry, taskName: string): number {
	if (batch.asked === null) {
		const { knots, largest } = questionKnots(task, entry.tokenizer);
		return meanFromKnots(knots, largest);
	}
	const ofTask = batch.asked.filter((asked) => asked.task === taskName);
	return (
		ofTask.reduce((sum, asked) => sum + estimateTokens(asked.promptBytes, entry.tokensPerByte), 0) /
		ofTask.length
	);
}

function meanAnswerPart(task: TaskFile, entry: ModelEntry, distribution: LengthDistribution): number {
	if (entry.model.modelClass === 'instruct') return meanTokens(distribution, 500);
	const points = 200;
	let sum = 0;
	for (let i = 0; i < points; i++) {
		sum += answerPartTokens(task, entry, Number.MAX_SAFE_INTEGER, (i + 0.5) / points);
	}
	return sum / points;
}
