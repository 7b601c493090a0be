import { randomStream } from '../../sim/core/random.ts';
import { type LengthDistribution, normalCdf, quantileTokens } from '../../sim/domain/distribution.ts';
import { present } from '../../sim/domain/errors.ts';
import { type CallId, expertCallId, type QueryId, queryId } from '../../sim/domain/ids.ts';
import type { CallTruth, QueryTruth, Truth } from '../../sim/domain/truth.ts';
import type { Query } from '../../sim/domain/work.ts';
import { type Knots, quantileFromKnots } from '../knots.ts';
import { type AggregatorTable, aggregatorAnswer, drawAggregator } from './aggregator.ts';
import { type AnswerModel, drawAnswers, optionLabel } from './answers.ts';
import { correlated, normal } from './normal.ts';
import { drawQuestions } from './questions.ts';
import { drawSlots } from './slots.ts';

/** One expert as the generator needs it. */
export interface ExpertSpec {
	readonly id: Query['slots'][number];
	readonly calls: number;
	readonly distribution: LengthDistribution;
	/** Question with instruction under its tokenizer. */
	readonly question: { readonly knots: Knots; readonly largest: number };
	readonly chatWrapperTokens: number;
	/** max_tokens of its calls. */
	readonly outputLimitTokens: number;
	/** Prompt and output together, tokens. */
	readonly maxModelLen: number;
	/** Tokens an aggregator reads of an output. */
	answerPart(outputTokens: number, p: number): number;
}

export interface WorkloadSpec {
	readonly seed: number;
	readonly task: string;
	readonly slotsPerQuery: number;
	/** Only the first so many queries are made. */
	readonly keepQueries: number;
	readonly experts: readonly ExpertSpec[];
	readonly lengthCorrelation: number;
	readonly easeLengthCorrelation: number;
	readonly answers: AnswerModel;
	readonly aggregator: {
		readonly distribution: LengthDistribution;
		readonly table: AggregatorTable;
		readonly unanimousOverrideRate: number;
	} | null;
}

/**
 * Queries and their truth from a seed. Every random number has its stream (`slots`, `questions`, `lengths`, `prompts`, `answers`,
 * `aggregator`) and its place in it, whatever else changes: scheduler, gate, cluster, engine and length scales never move a draw.
 */
export function generateWorkload(spec: WorkloadSpec): {
	readonly queries: readonly Query[];
	readonly truth: Truth;
} {
	const { seed, slotsPerQuery } = spec;
	const slots = drawSlots(
		seed,
		spec.experts.map((expert) => ({ model: expert, calls: expert.calls })),
		slotsPerQuery,
	).slice(0, spec.keepQueries);
	const questions = drawQuestions(seed, slots.length, spec.easeLengthCorrelation);
	const eases = questions.map((question) => question.ease);
	const answers = drawAnswers(seed, eases, slotsPerQuery, spec.answers);
	const aggregatorDraws = drawAggregator(seed, slots.length);
	const lengths = randomStream(seed, 'lengths');
	const prompts = randomStream(seed, 'prompts');

	const queries: Query[] = [];
	const calls = new Map<CallId, CallTruth>();
	const truths = new Map<QueryId, QueryTruth>();
	slots.forEach((experts, index) => {
		const id = queryId(`q${index}`);
		const sharedLength = present(questions[index], 'question').length;
		const drawn = present(answers[index], 'answers');
		const promptP = Math.max(2 ** -54, prompts());
		const slotPromptTokens: number[] = [];
		experts.forEach((expert, slotIndex) => {
			const promptTokens =
				quantileFromKnots(expert.question.knots, expert.question.largest, promptP) + expert.chatWrapperTokens;
			slotPromptTokens.push(promptTokens);
			const score = correlated(sharedLength, normal(lengths), spec.lengthCorrelation);
			const { option, answerPartP } = present(drawn.slots[slotIndex], 'slot answer');
			calls.set(expertCallId(id, slotIndex), callTruth(expert, promptTokens, score, option, answerPartP));
		});
		const task = spec.task;
		queries.push({ id, task, arrivalUs: 0, slots: experts.map((expert) => expert.id), slotPromptTokens });
		const draw = present(aggregatorDraws[index], 'aggregator draw');
		const { aggregator } = spec;
		truths.set(id, {
			correctAnswer: optionLabel(drawn.correct),
			aggregatorOutputTokens:
				aggregator === null
					? 0
					: tokensAt(aggregator.distribution, correlated(sharedLength, draw.length, spec.lengthCorrelation)),
			aggregatorAnswer: (given) =>
				aggregator === null
					? null
					: aggregatorAnswer(
							given,
							drawn.correct,
							spec.answers.options,
							aggregator.table,
							aggregator.unanimousOverrideRate,
							draw,
						),
		});
	});
	return {
		queries,
		truth: {
			call: (id) => present(calls.get(id), `truth of call ${id}`),
			query: (id) => present(truths.get(id), `truth of query ${id}`),
		},
	};
}

const tokensAt = (distribution: LengthDistribution, score: number): number =>
	quantileTokens(distribution, normalCdf(score));

function callTruth(
	expert: ExpertSpec,
	promptTokens: number,
	score: number,
	option: number,
	answerPartP: number,
): CallTruth {
	const limitTokens = Math.max(1, Math.min(expert.outputLimitTokens, expert.maxModelLen - promptTokens));
	const outputTokens = Math.min(limitTokens, tokensAt(expert.distribution, score));
	// At the limit the output is cut: no answer can be extracted, and reasoning never closed.
	const truncated = outputTokens >= limitTokens;
	const whole = expert.answerPart(outputTokens, answerPartP);
	return {
		outputTokens,
		answerTokens: truncated && whole < outputTokens ? 0 : whole,
		answer: truncated ? null : optionLabel(option),
		truncated,
	};
}
