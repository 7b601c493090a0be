import { randomStream, shuffle } from '../../sim/core/random.ts';
import { aggregatorPromptTokens } from '../../sim/domain/aggregator-prompt.ts';
import type { PastAggregation, PastQuery } from '../../sim/domain/calibration.ts';
import { expertCallId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Truth } from '../../sim/domain/truth.ts';
import type { Answer, Query } from '../../sim/domain/work.ts';
import { generateWorkload, type WorkloadSpec } from './workload.ts';

export interface PastSpec {
	/** The run's own; seed, questions and number of queries are replaced. */
	readonly workload: WorkloadSpec;
	/** Queries in one batch of the run. */
	readonly batchQueries: number;
	/** How many past queries. */
	readonly count: number;
	/** Share of the queries by task, adding up to 1. */
	readonly taskShares: readonly { readonly task: string; readonly share: number }[];
	/** Null in an experiment without one. */
	readonly aggregator: AggregatorLimits | null;
}

export interface AggregatorLimits {
	readonly prompt: Setup['aggregatorPrompt'];
	readonly outputLimitTokens: number;
	/** Prompt and output together, tokens. */
	readonly maxModelLen: number;
}

/**
 * Queries of the past, drawn like those of the run: batch after batch of the same slots, shuffled anew, under a seed that no run has. Run seeds are
 * 0 or more; that of the past is `-1 - seed`, so every stream of it is another one.
 */
export function generatePast({
	workload,
	batchQueries,
	count,
	taskShares,
	aggregator,
}: PastSpec): readonly PastQuery[] {
	const seed = -1 - workload.seed;
	const past = taskShares.flatMap(({ task, share }, index) => {
		const queries = Math.round(count * share);
		const { queries: drawn, truth } = generateWorkload({
			...workload,
			seed: seed - index * SEEDS,
			task,
			questions: null,
			keepQueries: queries,
			batches: Math.ceil(queries / batchQueries),
		});
		return drawn.map((query) => pastQuery(query, truth, aggregator));
	});
	// Whoever takes the first half of them takes all tasks.
	return taskShares.length === 1 ? past : shuffle(past, randomStream(seed, 'calibration order'));
}

/** More than there are seeds of runs, so that no two tasks of two runs meet. */
const SEEDS = 2 ** 40;

function pastQuery(query: Query, truth: Truth, limits: AggregatorLimits | null): PastQuery {
	const calls = query.slots.map((_, slotIndex) => truth.call(expertCallId(query.id, slotIndex)));
	const { correctAnswer } = truth.query(query.id);
	return {
		task: query.task,
		slots: query.slots,
		slotPromptTokens: query.slotPromptTokens,
		answers: calls.map(({ answer }) => answer),
		outputTokens: calls.map(({ outputTokens }) => outputTokens),
		correctAnswer,
		aggregator:
			limits === null
				? null
				: pastAggregation(
						query,
						truth,
						calls.map(({ answerTokens }) => answerTokens),
						limits,
					),
	};
}

/** An aggregator that runs into a limit of its own never gets to its answer. */
function pastAggregation(
	query: Query,
	truth: Truth,
	answerTokens: readonly number[],
	{ prompt, outputLimitTokens, maxModelLen }: AggregatorLimits,
): PastAggregation {
	const { aggregatorOutputTokens, aggregatorAnswer } = truth.query(query.id);
	const promptTokens = aggregatorPromptTokens(prompt, query, answerTokens);
	const roomTokens = Math.max(0, maxModelLen - promptTokens);
	const ends = aggregatorOutputTokens < outputLimitTokens && aggregatorOutputTokens <= roomTokens;
	return {
		promptTokens,
		outputTokens: Math.min(aggregatorOutputTokens, outputLimitTokens, roomTokens),
		answer: (answers: readonly Answer[]) => (ends ? aggregatorAnswer(answers) : null),
	};
}
