import { randomStream } from '../../sim/core/random.ts';
import { type LengthDistribution, normalCdf, quantileTokens } from '../../sim/domain/distribution.ts';
import { present } from '../../sim/domain/errors.ts';
import { type CallId, expertCallId, type QueryId, queryId } from '../../sim/domain/ids.ts';
import type { Question } from '../../sim/domain/question.ts';
import type { CallTruth, QueryTruth, Truth } from '../../sim/domain/truth.ts';
import type { Query } from '../../sim/domain/work.ts';
import { type Knots, quantileFromKnots } from '../knots.ts';
import { answerLabels } from '../questions/answer-labels.ts';
import { estimateTokens } from '../questions/token-estimate.ts';
import { type AggregatorTable, aggregatorAnswer, drawAggregator } from './aggregator.ts';
import { type AnswerModel, drawAnswers, optionLabel } from './answers.ts';
import { correlated, normal } from './normal.ts';
import { drawQuestions } from './questions.ts';
import { drawSlots } from './slots.ts';

/** One expert as the generator needs it. */
export interface ExpertSpec {
	readonly id: Query['slots'][number];
	readonly calls: number;
	/** Output tokens on a task. */
	distribution(task: string): LengthDistribution;
	/** Question with instruction under its tokenizer, where the question is drawn. */
	readonly question: { readonly knots: Knots; readonly largest: number };
	/** The same where the question is read. */
	readonly tokensPerByte: number;
	readonly chatWrapperTokens: number;
	/** max_tokens of its calls. */
	readonly outputLimitTokens: number;
	/** Prompt and output together, tokens. */
	readonly maxModelLen: number;
	/** Tokens an aggregator reads of an output. */
	answerPart(outputTokens: number, p: number): number;
}

/** A question that is not drawn but read. */
export interface AskedQuestion {
	readonly question: Question;
	readonly task: string;
	/** Of an expert's prompt, without chat wrapper. */
	readonly promptBytes: number;
}

export interface WorkloadSpec {
	readonly seed: number;
	readonly task: string;
	/** Null: all is drawn. As many as there are queries. */
	readonly questions: readonly AskedQuestion[] | null;
	readonly slotsPerQuery: number;
	/** Only the first so many queries are made. */
	readonly keepQueries: number;
	/** How often the experts' calls are dealt out, one batch after the other; absent: once. */
	readonly batches?: number;
	readonly experts: readonly ExpertSpec[];
	readonly lengthCorrelation: number;
	readonly easeLengthCorrelation: number;
	readonly answers: AnswerModel;
	readonly aggregator: {
		distribution(task: string): LengthDistribution;
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
		spec.batches,
	).slice(0, spec.keepQueries);
	const questions = drawQuestions(seed, slots.length, spec.easeLengthCorrelation);
	const eases = questions.map((question) => question.ease);
	const labels = spec.questions?.map(({ question }) => answerLabels(question));
	const optionsOf = (index: number): number => labels?.[index]?.options ?? spec.answers.options;
	const answers = drawAnswers(seed, eases, slotsPerQuery, spec.answers, optionsOf);
	const aggregatorDraws = drawAggregator(seed, slots.length);
	const lengths = randomStream(seed, 'lengths');
	const prompts = randomStream(seed, 'prompts');

	const queries: Query[] = [];
	const calls = new Map<CallId, CallTruth>();
	const truths = new Map<QueryId, QueryTruth>();
	slots.forEach((experts, index) => {
		const asked = spec.questions?.[index];
		const id = asked?.question.query ?? queryId(`q${index}`);
		const task = asked?.task ?? spec.task;
		const sharedLength = present(questions[index], 'question').length;
		const drawn = present(answers[index], 'answers');
		const label = (option: number): string =>
			labels?.[index]?.label(option, drawn.correct) ?? optionLabel(option);
		const promptP = Math.max(2 ** -54, prompts());
		const slotPromptTokens: number[] = [];
		experts.forEach((expert, slotIndex) => {
			const { knots, largest } = expert.question;
			const promptTokens =
				expert.chatWrapperTokens +
				(asked === undefined
					? quantileFromKnots(knots, largest, promptP)
					: estimateTokens(asked.promptBytes, expert.tokensPerByte));
			slotPromptTokens.push(promptTokens);
			const score = correlated(sharedLength, normal(lengths), spec.lengthCorrelation);
			const { option, answerPartP } = present(drawn.slots[slotIndex], 'slot answer');
			const drawnTokens = tokensAt(expert.distribution(task), score);
			calls.set(
				expertCallId(id, slotIndex),
				callTruth(expert, promptTokens, drawnTokens, label(option), answerPartP),
			);
		});
		queries.push({ id, task, arrivalUs: 0, slots: experts.map((expert) => expert.id), slotPromptTokens });
		const draw = present(aggregatorDraws[index], 'aggregator draw');
		const { aggregator } = spec;
		truths.set(id, {
			correctAnswer: label(drawn.correct),
			aggregatorOutputTokens:
				aggregator === null
					? 0
					: tokensAt(
							aggregator.distribution(task),
							correlated(sharedLength, draw.length, spec.lengthCorrelation),
						),
			aggregatorAnswer: (given) =>
				aggregator === null
					? null
					: aggregatorAnswer(
							given,
							drawn.correct,
							optionsOf(index),
							aggregator.table,
							aggregator.unanimousOverrideRate,
							draw,
							label,
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
	drawnTokens: number,
	answer: string,
	answerPartP: number,
): CallTruth {
	const limitTokens = Math.max(1, Math.min(expert.outputLimitTokens, expert.maxModelLen - promptTokens));
	const outputTokens = Math.min(limitTokens, drawnTokens);
	// At the limit the output is cut: no answer can be extracted, and reasoning never closed.
	const truncated = outputTokens >= limitTokens;
	const whole = expert.answerPart(outputTokens, answerPartP);
	return {
		outputTokens,
		answerTokens: truncated && whole < outputTokens ? 0 : whole,
		answer: truncated ? null : answer,
		truncated,
	};
}
