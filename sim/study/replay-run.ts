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
	/** Calls that finished in both runs, with as many tokens and where they began: the means are taken over these. */
	readonly calls: number;
	readonly finishedInBoth: number;
	/** The scheduler decides anew in the simulation, on the times that it has there. */
	readonly decided: { readonly measured: CallDecisions; readonly simulated: CallDecisions };
}

/** What a scheduler did to calls beyond sending them off. */
export interface CallDecisions {
	/** Calls taken off a replica for another one, or to wait; one may be taken off more than once. */
	readonly moves: number;
	/** Calls that were sent with a limit below their own. */
	readonly cut: number;
	readonly cancelled: number;
}

/**
 * The setup of a run with what it turned out to be in place of what was drawn: prompt tokens, output lengths and answers as recorded. What the
 * run did not come to see stays as drawn: calls that failed, were cancelled or never sent, and how those that were cut would have gone on; only
 * that they were longer than was seen of them is known.
 */
export function replaySetup(setup: Setup, records: readonly RunRecord[]): Setup {
	const finished = finishedCalls(records);
	const unfinished = seenTokens(records);
	const queries = setup.queries.map((query) => ({
		...query,
		slotPromptTokens: query.slotPromptTokens.map(
			(tokens, slotIndex) => finished.get(expertCallId(query.id, slotIndex))?.promptTokens ?? tokens,
		),
	}));
	return { ...setup, queries, truth: recordedTruth({ ...setup, queries }, finished, unfinished) };
}

/** Tokens of calls that had more to say: those that were cut short of their own limit, or cancelled. */
function seenTokens(records: readonly RunRecord[]): Map<CallId, number> {
	const cuts = new Map<CallId, number>();
	const seen = new Map<CallId, number>();
	for (const record of records) {
		if (record.type === 'call-dispatched')
			cuts.set(record.call, record.cutTokens ?? Number.POSITIVE_INFINITY);
		else if (record.type === 'call-finished' && record.outputTokens >= (cuts.get(record.call) ?? 0))
			seen.set(record.call, record.outputTokens);
		else if (record.type === 'call-cancelled') seen.set(record.call, record.outputTokens);
	}
	return seen;
}

function recordedTruth(
	setup: Setup,
	finished: ReadonlyMap<CallId, CallFinished>,
	unfinished: ReadonlyMap<CallId, number>,
): Truth {
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
			const seen = unfinished.get(id);
			const drawn = setup.truth.call(id);
			if (seen !== undefined && drawn.outputTokens <= seen)
				calls.set(id, { ...drawn, outputTokens: seen + 1 });
			if (call === undefined) continue;
			const { outputTokens, answer, finishReason } = call;
			// Which slot the aggregator's tokens came from was not recorded; only their sum matters.
			const answerTokens =
				read === null || written === 0
					? drawn.answerTokens
					: share(writtenSoFar + outputTokens) - share(writtenSoFar);
			writtenSoFar += outputTokens;
			if (seen !== undefined) {
				calls.set(id, { ...drawn, outputTokens: Math.max(drawn.outputTokens, seen), answerTokens });
				continue;
			}
			calls.set(id, {
				outputTokens,
				answerTokens,
				answer,
				truncated: finishReason === 'length' && answer === null,
			});
		}
		if (aggregation === undefined) continue;
		const drawn = setup.truth.query(query.id);
		const { outputTokens, answer } = aggregation;
		queries.set(
			query.id,
			unfinished.has(aggregation.call)
				? { ...drawn, aggregatorOutputTokens: Math.max(drawn.aggregatorOutputTokens, outputTokens) }
				: { ...drawn, aggregatorOutputTokens: outputTokens, aggregatorAnswer: () => answer },
		);
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

/** Both logs over the calls that finished alike in both. */
export function replayError(
	name: string,
	measured: readonly RunRecord[],
	simulated: readonly RunRecord[],
): ReplayError {
	const both = finishedCalls(simulated);
	const inBoth = [...finishedCalls(measured).values()].filter(({ call }) => both.has(call));
	// First tokens of a call that moved are those after its last move.
	const shared = new Set(
		inBoth
			.filter(({ call, outputTokens, migrations = 0 }) => {
				const other = both.get(call);
				return other?.outputTokens === outputTokens && migrations === 0 && !other.migrations;
			})
			.map(({ call }) => call),
	);
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
		finishedInBoth: inBoth.length,
		decided: { measured: decisions(measured), simulated: decisions(simulated) },
	};
}

function decisions(records: readonly RunRecord[]): CallDecisions {
	const count = (isOne: (record: RunRecord) => boolean): number => records.filter(isOne).length;
	return {
		moves: count(({ type }) => type === 'call-migrated' || type === 'call-parked'),
		cut: count((record) => record.type === 'call-dispatched' && record.cutTokens !== undefined),
		cancelled: count(({ type }) => type === 'call-cancelled'),
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
