import { type RandomStream, randomStream, shuffle } from '../core/random.ts';
import { aggregatorPromptTokens } from '../domain/aggregator-prompt.ts';
import type { PastQuery } from '../domain/calibration.ts';
import { quantileTokens } from '../domain/distribution.ts';
import { present } from '../domain/errors.ts';
import { expertCallId, type ModelId, queryId } from '../domain/ids.ts';
import type { Forecaster, FutureQueries, Problem } from '../domain/scheduler.ts';
import type { LengthForecast, Setup } from '../domain/setup.ts';
import type { CallTruth, QueryTruth, Truth } from '../domain/truth.ts';
import type { Query } from '../domain/work.ts';

/** What may be known of a run before it: everything but its queries, which the problem has as far as they came, and its truth. */
export type KnownSetup = Omit<Setup, 'queries' | 'truth'>;

/** Queries as they might be, in order of arrival, with what might be true of them. */
export interface RehearsedWork {
	readonly queries: readonly Query[];
	readonly truth: Truth;
}

/**
 * Draws one sample of what is left of a problem. Answers are those of past queries that asked the same experts; lengths come from the profile's
 * distributions, each as far up as that of the past query was; arrivals come at the expected rate. All on streams of their own:
 * `calibration/rehearsal/...`.
 */
export function drawRehearsal(
	setup: KnownSetup,
	forecaster: Forecaster,
	problem: Problem,
	sample: number,
): RehearsedWork {
	const stream = (use: string): RandomStream =>
		randomStream(setup.seed, `calibration/rehearsal/${sample}/${use}`);
	const queries = [
		...problem.queries.map((query) => ({ ...query, arrivalUs: 0 })),
		...(problem.future === null ? [] : futureQueries(setup, problem.future, stream('arrivals'))),
	].map((query, index): Query => ({ ...query, id: queryId(`rehearsal${index}`) }));
	return { queries, truth: drawTruth(setup, forecaster, queries, stream('lengths'), stream('answers')) };
}

type UnnamedQuery = Omit<Query, 'id'>;

/** The calls that are expected to come, dealt out to as many queries at random, which come at random at the mean rate. */
function futureQueries(
	setup: KnownSetup,
	{ count, perSecond, expertCalls }: FutureQueries,
	random: RandomStream,
): readonly UnnamedQuery[] {
	const total = expertCalls.reduce((sum, calls) => sum + calls.count, 0);
	if (count === 0 || perSecond === null || total === 0) return [];
	const slots = Math.max(1, Math.round(total / count));
	const unplaced = [...new Set(expertCalls.map(({ task }) => task))].flatMap((task) => {
		const models = shuffle(
			expertCalls
				.filter((calls) => calls.task === task)
				.flatMap((calls) => Array.from({ length: calls.count }, () => calls.model)),
			random,
		);
		const queries = Math.max(1, Math.round(models.length / slots));
		return Array.from({ length: queries }, (_, query) => ({
			task,
			slots: models.filter((_, index) => index % queries === query),
		}));
	});
	let arrivalUs = 0;
	return shuffle(unplaced, random).map((query) => {
		arrivalUs += Math.round((-Math.log(1 - random()) * 1e6) / perSecond);
		const slotPromptTokens = query.slots.map((model) =>
			Math.max(1, Math.round(lengthsOf(setup, model, query.task).meanPromptTokens)),
		);
		return { ...query, arrivalUs, slotPromptTokens };
	});
}

function lengthsOf(setup: KnownSetup, model: ModelId, task: string): LengthForecast {
	const own = setup.lengths.find(
		(lengths) => lengths.model === model && lengths.task === task && lengths.role === 'expert',
	);
	return present(own, `lengths of ${model} on ${task}`);
}

function drawTruth(
	setup: KnownSetup,
	forecaster: Forecaster,
	queries: readonly Query[],
	lengths: RandomStream,
	answers: RandomStream,
): Truth {
	const { aggregator } = setup;
	const limits = new Map(setup.models.map(({ id, outputLimitTokens }) => [id, outputLimitTokens]));
	const past = new Past(setup.calibration.queries());
	const ofCall = new Map<string, CallTruth>();
	const ofQuery = new Map<string, QueryTruth>();
	for (const query of queries) {
		const { id, task, slots } = query;
		const alike = past.draw(query, answers);
		const readTokens = answerTokens(setup, query);
		slots.forEach((model, slotIndex) => {
			const share = alike === undefined ? lengths() : past.lengthShare(alike, slotIndex, lengths);
			const outputTokens = quantileTokens(forecaster.distribution(model, task, 'expert'), share);
			ofCall.set(expertCallId(id, slotIndex), {
				outputTokens,
				answerTokens: Math.min(readTokens, outputTokens),
				// Where nothing is known of the past, nobody agrees.
				answer: alike === undefined ? `answer ${slotIndex}` : (alike.answers[slotIndex] ?? null),
				truncated: outputTokens >= (limits.get(model) ?? Number.POSITIVE_INFINITY),
			});
		});
		const share = alike === undefined ? lengths() : past.aggregatorShare(alike, lengths);
		const aggregatorOutputTokens =
			aggregator === null
				? 1
				: quantileTokens(forecaster.distribution(aggregator.model, task, 'aggregator'), share);
		// Right or wrong, nobody asks.
		ofQuery.set(id, { correctAnswer: '', aggregatorOutputTokens, aggregatorAnswer: () => null });
	}
	return {
		call: (id) => present(ofCall.get(id), `call ${id}`),
		query: (id) => present(ofQuery.get(id), `query ${id}`),
	};
}

/** Tokens of one answer as an aggregator reads it, such that the prompt is as long as prompts are on average. */
function answerTokens(setup: KnownSetup, query: Query): number {
	const own = setup.lengths.find(({ role, task }) => role === 'aggregator' && task === query.task);
	if (own === undefined) return 0;
	const without = aggregatorPromptTokens(
		setup.aggregatorPrompt,
		query,
		query.slots.map(() => 0),
	);
	return Math.max(0, Math.round((own.meanPromptTokens - without) / query.slots.length));
}

/** Past queries by what was asked whom. */
class Past {
	private readonly byExperts = new Map<string, PastQuery[]>();
	private readonly byTask = new Map<string, PastQuery[]>();
	/** Output tokens of each expert on each task, and of the aggregator on each task; rising. */
	private readonly lengths = new Map<string, number[]>();

	constructor(past: readonly PastQuery[]) {
		for (const query of past) {
			push(this.byExperts, expertsKey(query), query);
			push(this.byTask, `${query.task}/${query.slots.length}`, query);
			query.slots.forEach((model, slotIndex) => {
				push(this.lengths, `${query.task}/${model}`, query.outputTokens[slotIndex] ?? 0);
			});
			if (query.aggregator !== null) push(this.lengths, query.task, query.aggregator.outputTokens);
		}
		for (const list of this.lengths.values()) list.sort((a, b) => a - b);
	}

	/** One that asked the same experts; else one of the same task, if there is any. */
	draw(query: Query, random: RandomStream): PastQuery | undefined {
		const share = random();
		const alike =
			this.byExperts.get(expertsKey(query)) ?? this.byTask.get(`${query.task}/${query.slots.length}`) ?? [];
		return alike[Math.floor(share * alike.length)];
	}

	/** Where an output stands among all past ones of its model, 0 to 1: hard questions are long for all, and an output without end has no answer. */
	lengthShare({ task, slots, outputTokens }: PastQuery, slotIndex: number, random: RandomStream): number {
		return this.shareOf(`${task}/${slots[slotIndex]}`, outputTokens[slotIndex] ?? 0, random);
	}

	aggregatorShare({ task, aggregator }: PastQuery, random: RandomStream): number {
		return aggregator === null ? random() : this.shareOf(task, aggregator.outputTokens, random);
	}

	private shareOf(key: string, tokens: number, random: RandomStream): number {
		const sorted = this.lengths.get(key) ?? [];
		const below = countBelow(sorted, tokens);
		return (below + random() * (countBelow(sorted, tokens + 1) - below)) / Math.max(1, sorted.length);
	}
}

function countBelow(sorted: readonly number[], value: number): number {
	let low = 0;
	let high = sorted.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((sorted[middle] ?? 0) < value) low = middle + 1;
		else high = middle;
	}
	return low;
}

const expertsKey = ({ task, slots }: Pick<Query, 'task' | 'slots'>): string => `${task}/${slots.join('/')}`;

function push<T>(map: Map<string, T[]>, key: string, item: T): void {
	const list = map.get(key);
	if (list === undefined) map.set(key, [item]);
	else list.push(item);
}
