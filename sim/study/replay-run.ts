import { present } from '../domain/errors.ts';
import type { CallId, QueryId } from '../domain/ids.ts';
import { aggregatorCallId, expertCallId } from '../domain/ids.ts';
import type { CallFinished, RunRecord } from '../domain/run-log.ts';
import type { Setup } from '../domain/setup.ts';
import type { CallTruth, QueryTruth, Truth } from '../domain/truth.ts';
import { secondsFromUs, type TimeUs } from '../domain/units.ts';
import type { Query } from '../domain/work.ts';
import { type CallTiming, callMetrics, percentOff, type RunMetrics } from './call-metrics.ts';

/** How far the simulation of a run is off, once it knows every prompt, output length and answer of it. */
export interface ReplayError {
	readonly name: string;
	readonly makespanErrorPercent: number;
	/** From dispatch to first token; null when the two runs have no finished call in common. */
	readonly ttftMeanErrorPercent: number | null;
	readonly tpotMeanErrorPercent: number | null;
	/** Of a call, from its dispatch to its end. */
	readonly latencyP95ErrorPercent: number | null;
	readonly preemptions: { readonly measured: number; readonly simulated: number };
	readonly measured: RunMetrics;
	readonly simulated: RunMetrics;
	/** Calls that finished in both runs: the means are taken over these. */
	readonly calls: number;
}

/**
 * The setup of a run with what it turned out to be in place of what was drawn: prompt tokens, output lengths and answers as recorded. What the
 * run never asked (calls that were cancelled or failed) stays as drawn.
 */
export function replaySetup(setup: Setup, records: readonly RunRecord[]): Setup {
	const finished = finishedCalls(records);
	const queries = setup.queries.map((query) => ({
		...query,
		slotPromptTokens: query.slotPromptTokens.map(
			(tokens, slotIndex) => finished.get(expertCallId(query.id, slotIndex))?.promptTokens ?? tokens,
		),
	}));
	return { ...setup, queries, truth: recordedTruth({ ...setup, queries }, finished) };
}

function recordedTruth(setup: Setup, finished: ReadonlyMap<CallId, CallFinished>): Truth {
	const calls = new Map<CallId, CallTruth>();
	const queries = new Map<QueryId, QueryTruth>();
	for (const query of setup.queries) {
		const slots = query.slots.map((_, slotIndex) => expertCallId(query.id, slotIndex));
		const aggregation = finished.get(aggregatorCallId(query.id));
		const read = aggregation === undefined ? null : answerTokensRead(setup, query, aggregation.promptTokens);
		const written = slots.reduce((sum, id) => sum + (finished.get(id)?.outputTokens ?? 0), 0);
		// Rounded together, so that their sum is exact.
		let writtenSoFar = 0;
		const share = (tokens: number): number => Math.round(((read ?? 0) * tokens) / written);
		for (const id of slots) {
			const call = finished.get(id);
			if (call === undefined) continue;
			const { outputTokens, answer, finishReason } = call;
			// Which slot the aggregator's tokens came from was not recorded; only their sum matters.
			const answerTokens =
				read === null || written === 0
					? setup.truth.call(id).answerTokens
					: share(writtenSoFar + outputTokens) - share(writtenSoFar);
			writtenSoFar += outputTokens;
			calls.set(id, {
				outputTokens,
				answerTokens,
				answer,
				truncated: finishReason === 'length' && answer === null,
			});
		}
		if (aggregation === undefined) continue;
		queries.set(query.id, {
			...setup.truth.query(query.id),
			aggregatorOutputTokens: aggregation.outputTokens,
			aggregatorAnswer: () => aggregation.answer,
		});
	}
	return {
		call: (id) => calls.get(id) ?? setup.truth.call(id),
		query: (id) => queries.get(id) ?? setup.truth.query(id),
	};
}

/** Tokens of experts' answers in an aggregator prompt of so many tokens: the formula of `aggregatorPromptTokens`, solved for them. */
function answerTokensRead({ aggregatorPrompt }: Setup, query: Query, promptTokens: number): number {
	const { baseTokens, perAnswerTokens } = aggregatorPrompt;
	const rest = baseTokens + perAnswerTokens * query.slots.length + Math.max(...query.slotPromptTokens);
	return Math.max(0, promptTokens - rest);
}

/** Both logs over the calls that finished in both. */
export function replayError(
	name: string,
	measured: readonly RunRecord[],
	simulated: readonly RunRecord[],
): ReplayError {
	const both = finishedCalls(simulated);
	const shared = new Set([...finishedCalls(measured).keys()].filter((id) => both.has(id)));
	const [was, is] = [metrics(measured, shared), metrics(simulated, shared)];
	const error = (key: keyof RunMetrics): number | null =>
		shared.size === 0 ? null : percentOff(is[key], was[key]);
	return {
		name,
		makespanErrorPercent: percentOff(is.makespanSeconds, was.makespanSeconds),
		ttftMeanErrorPercent: error('ttftMeanSeconds'),
		tpotMeanErrorPercent: error('tpotMeanSeconds'),
		latencyP95ErrorPercent: error('latencyP95Seconds'),
		preemptions: { measured: preemptions(measured), simulated: preemptions(simulated) },
		measured: was,
		simulated: is,
		calls: shared.size,
	};
}

/** The makespan is that of the run, loads and all; the rest is about calls. */
function metrics(records: readonly RunRecord[], counted: ReadonlySet<CallId>): RunMetrics {
	const dispatchedUs = new Map<CallId, TimeUs>();
	const calls: CallTiming[] = [];
	for (const record of records) {
		if (record.type === 'call-dispatched') dispatchedUs.set(record.call, record.timeUs);
		if (record.type !== 'call-finished' || !counted.has(record.call)) continue;
		const { firstTokenUs, timeUs: lastTokenUs, outputTokens } = record;
		const sentUs = present(dispatchedUs.get(record.call), `dispatch of ${record.call}`);
		calls.push({ sentUs, firstTokenUs, lastTokenUs, outputTokens });
	}
	return { ...callMetrics(calls), makespanSeconds: secondsFromUs(records.at(-1)?.timeUs ?? 0) };
}

/** As the engines counted them where samples say so (a live server tells its own sum, not each call's), else call by call. */
function preemptions(records: readonly RunRecord[]): number {
	const byReplica = new Map<string, number>();
	let byCall = 0;
	for (const record of records) {
		if (record.type === 'engine-sample' && record.preemptions !== undefined)
			byReplica.set(record.replica, record.preemptions);
		else if (record.type === 'call-finished') byCall += record.preemptions;
	}
	return byReplica.size === 0 ? byCall : [...byReplica.values()].reduce((sum, count) => sum + count, 0);
}

const finishedCalls = (records: readonly RunRecord[]): Map<CallId, CallFinished> =>
	new Map(records.flatMap((record) => (record.type === 'call-finished' ? [[record.call, record]] : [])));
