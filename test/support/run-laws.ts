/** Laws that every run keeps, whatever its workload and its scheduler, checked on the run log alone. */
import { createGate } from '../../sim/aggregate/index.ts';
import { type CallId, expertCallId, type QueryId, type ReplicaId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { ReplicaState } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Answer, Gate, Query, Verdict } from '../../sim/domain/work.ts';
import { gpuTimeline, gpuTimes, IDLE_CAUSES } from '../../sim/report/gpu-time.ts';
import { replicaBreaches } from './replica-laws.ts';

/** @returns one line per breach; empty for a lawful run that is complete */
export function lawBreaches(
	records: readonly RunRecord[],
	setup: Setup,
	gate: Gate = createGate(setup.gate),
): readonly string[] {
	return [
		...clockBreaches(records),
		...queryBreaches(records, setup, gate),
		...callBreaches(records, setup),
		...replicaBreaches(records, setup),
		...engineBreaches(records),
		...idleBreaches(records),
	];
}

function clockBreaches(records: readonly RunRecord[]): string[] {
	const breaches: string[] = [];
	records.forEach(({ type, timeUs }, index) => {
		const before = records[index - 1]?.timeUs ?? 0;
		if (!Number.isSafeInteger(timeUs)) breaches.push(`${type}: time ${timeUs} is not whole`);
		if (timeUs < before) breaches.push(`${type}: the clock went back from ${before} to ${timeUs}`);
		if ((index === 0) !== (type === 'run-started')) breaches.push(`record ${index} is ${type}`);
		if ((index === records.length - 1) !== (type === 'run-ended'))
			breaches.push(`record ${index} is ${type}`);
	});
	return breaches;
}

/** Each query arrives once, not early; is settled once, by a vote that its gate accepts or by its aggregator. */
function queryBreaches(records: readonly RunRecord[], setup: Setup, gate: Gate): string[] {
	const breaches: string[] = [];
	const aggregated = new Map(
		records.flatMap((record) => (record.type === 'aggregation-needed' ? [[record.query, record.call]] : [])),
	);
	for (const query of setup.queries) {
		const about = records.filter((record) => 'query' in record && record.query === query.id);
		const arrivals = about.filter(({ type }) => type === 'query-arrived');
		const ends = about.filter((record) => record.type === 'query-settled');
		if (arrivals.length !== 1 || about[0]?.type !== 'query-arrived')
			breaches.push(`query ${query.id}: arrived ${arrivals.length} times, or after something else`);
		if ((arrivals[0]?.timeUs ?? 0) < query.arrivalUs) breaches.push(`query ${query.id}: arrived early`);
		const [end] = ends;
		if (ends.length !== 1 || end === undefined) {
			breaches.push(`query ${query.id}: settled ${ends.length} times`);
			continue;
		}
		const { verdict, answer } = voteAt(records, query, end, gate);
		const byVote = verdict === 'accept' || (verdict === 'aggregate' && setup.aggregator === null);
		// The gate has the last word when it cut the aggregator.
		const isCut = isCutShort(records, aggregated.get(query.id));
		if (verdict === 'open') breaches.push(`query ${query.id}: settled while its vote was open`);
		if ((byVote || isCut) !== (end.by === 'vote'))
			breaches.push(`query ${query.id}: settled by ${end.by}, gate says ${verdict}`);
		if (byVote && end.answer !== answer)
			breaches.push(`query ${query.id}: answer ${end.answer}, vote ${answer}`);
		if (byVote === aggregated.has(query.id))
			breaches.push(`query ${query.id}: aggregation asked for against its gate`);
		if (end.correct !== (end.answer === setup.truth.query(query.id).correctAnswer))
			breaches.push(`query ${query.id}: judged wrongly`);
	}
	return breaches;
}

/** Each call is dispatched once, and again each time it came back; moves only to where it can go on; ends exactly once, in order, where it is; parents before children. */
interface CallSoFar {
	readonly replica: ReplicaId | null;
	/** Or moved to where it is. */
	readonly dispatchedUs: number;
	readonly ended: boolean;
	/** As dispatched. */
	readonly limitTokens: number;
	/** Tokens that it brought along, and how often it moved or was parked since it began anew. */
	readonly carriedTokens: number;
	readonly moves: number;
}

const NOT_SENT: CallSoFar = {
	replica: null,
	dispatchedUs: 0,
	ended: false,
	limitTokens: 0,
	carriedTokens: 0,
	moves: 0,
};

function callBreaches(records: readonly RunRecord[], setup: Setup): string[] {
	const breaches: string[] = [];
	const states = new Map<ReplicaId, { state: ReplicaState; sinceUs: number; model: string; open: number }>();
	const calls = new Map<CallId, CallSoFar>();
	const openExperts = new Map<QueryId, number>();
	const limit = new Map(setup.models.map(({ id, outputLimitTokens }) => [id, outputLimitTokens]));
	for (const record of records) {
		const bad = (what: string): void => {
			breaches.push(`${record.type} at ${record.timeUs}: ${what}`);
		};
		if (record.type === 'query-arrived') {
			openExperts.set(record.query, record.slots.length);
			record.slots.forEach((_, slotIndex) => {
				calls.set(expertCallId(record.query, slotIndex), NOT_SENT);
			});
		} else if (record.type === 'aggregation-needed') {
			if (calls.has(record.call)) bad(`${record.call} was asked for before`);
			if (openExperts.get(record.query) !== 0) bad(`${record.call} before its experts have ended`);
			calls.set(record.call, NOT_SENT);
		} else if (record.type === 'replica-changed') {
			const open = states.get(record.replica)?.open ?? 0;
			const diesOrWorks = ['failed', 'awake'].includes(record.state) || record.reason !== undefined;
			if (open > 0 && !diesOrWorks && !leavesAtOnce(record, open, records))
				bad(`${record.replica} has ${open} open calls`);
			const { state, model, timeUs: sinceUs } = record;
			states.set(record.replica, { state, sinceUs, model, open });
		} else if (record.type === 'call-dispatched') {
			const call = calls.get(record.call);
			const replica = states.get(record.replica);
			if (call === undefined || call.ended || call.replica !== null) bad(`${record.call} may not start`);
			if (replica?.state !== 'awake' || replica.model !== record.model)
				bad(`${record.call} of ${record.model} on ${record.replica}: ${replica?.model} is ${replica?.state}`);
			if (replica) replica.open++;
			const own = limit.get(record.model) ?? 0;
			if (record.cutTokens !== undefined && !(record.cutTokens >= 1 && record.cutTokens < own))
				bad(`${record.call} cut at ${record.cutTokens} of ${own} tokens`);
			calls.set(record.call, {
				...(call ?? NOT_SENT),
				replica: record.replica,
				dispatchedUs: record.timeUs,
				limitTokens: record.cutTokens ?? own,
			});
		} else if (record.type === 'call-migrated') {
			const call = calls.get(record.call);
			const target = states.get(record.replica);
			if (call === undefined || call.ended || call.replica !== record.from)
				bad(`${record.call} was on ${call?.replica}, not ${record.from}`);
			// Through a replica that it was told to leave in the same instant, as that was to stop.
			const isUp = target?.state === 'awake' || target?.sinceUs === record.timeUs;
			if (!isUp || target?.model !== record.model)
				bad(`${record.call} of ${record.model} to ${record.replica}: ${target?.model} is ${target?.state}`);
			if (call === undefined) continue;
			if (record.outputTokens < call.carriedTokens || record.outputTokens >= call.limitTokens)
				bad(`${record.call} has ${record.outputTokens} tokens, had ${call.carriedTokens}`);
			const from = states.get(record.from);
			if (from) from.open--;
			if (target) target.open++;
			calls.set(record.call, {
				...call,
				replica: record.replica,
				dispatchedUs: record.timeUs,
				carriedTokens: record.outputTokens,
				moves: call.moves + 1,
			});
		} else if (record.type === 'call-parked') {
			const call = calls.get(record.call);
			if (call === undefined || call.ended || call.replica !== record.replica)
				bad(`${record.call} was on ${call?.replica}, not ${record.replica}`);
			if (call === undefined) continue;
			if (record.outputTokens < call.carriedTokens || record.outputTokens >= call.limitTokens)
				bad(`${record.call} has ${record.outputTokens} tokens, had ${call.carriedTokens}`);
			const from = states.get(record.replica);
			if (from) from.open--;
			const { outputTokens: carriedTokens } = record;
			calls.set(record.call, { ...call, replica: null, carriedTokens, moves: call.moves + 1 });
		} else if (record.type === 'call-returned') {
			const call = calls.get(record.call);
			if (call === undefined || call.ended || call.replica !== record.replica)
				bad(`${record.call} was on ${call?.replica}, not ${record.replica}`);
			const replica = states.get(record.replica);
			if (replica) replica.open--;
			if (call) calls.set(record.call, { ...call, replica: null, carriedTokens: 0, moves: 0 });
		} else if (isEnd(record)) {
			const call = calls.get(record.call);
			if (call === undefined || call.ended) bad(`${record.call} is unknown or ended before`);
			if (call?.replica !== record.replica)
				bad(`${record.call} ran on ${call?.replica}, not ${record.replica}`);
			const replica = record.replica === null ? undefined : states.get(record.replica);
			if (replica) replica.open--;
			if (call) calls.set(record.call, { ...call, ended: true });
			if (record.role === 'expert') openExperts.set(record.query, (openExperts.get(record.query) ?? 0) - 1);
			if (record.type !== 'call-finished') continue;
			const times = [call?.dispatchedUs ?? 0, record.startedUs, record.firstTokenUs, record.timeUs];
			if (times.some((time, i) => time < (times[i - 1] ?? 0)))
				bad(`${record.call}: times ${times.join(', ')}`);
			if (record.outputTokens <= (call?.carriedTokens ?? 0) || record.outputTokens > (call?.limitTokens ?? 0))
				bad(`${record.call}: ${record.outputTokens} output tokens`);
			if ((record.migrations ?? 0) !== call?.moves)
				bad(`${record.call}: ${record.migrations} moves, not ${call?.moves}`);
			if (record.finishReason === 'length' && record.answer !== null)
				bad(`${record.call}: cut, yet it answered`);
		}
	}
	for (const [id, { ended }] of calls) if (!ended) breaches.push(`call ${id} never ended`);
	return breaches;
}

/** An engine computes only while its replica is awake and has calls; batches and blocks stay within their limits. */
function engineBreaches(records: readonly RunRecord[]): string[] {
	const breaches: string[] = [];
	const active = new Map<ReplicaId, boolean>();
	const states = new Map<ReplicaId, ReplicaState>();
	for (const record of records) {
		if (!('replica' in record) || record.replica === null) continue;
		const { type, replica, timeUs } = record;
		const bad = (what: string): void => {
			breaches.push(`${replica}, ${type} at ${timeUs}: ${what}`);
		};
		if (record.type === 'replica-changed') states.set(replica, record.state);
		else if (record.type === 'engine-active') {
			if (record.active === (active.get(replica) ?? false)) bad(`active is ${record.active} already`);
			if (record.active && states.get(replica) !== 'awake') bad(`computes while ${states.get(replica)}`);
			active.set(replica, record.active);
		} else if (record.type === 'engine-sample') {
			const { running, waiting, maxRunning, usedBlocks, totalBlocks } = record;
			if (running < 0 || running > maxRunning || waiting < 0) bad(`${running} running, ${waiting} waiting`);
			if (usedBlocks < 0 || usedBlocks > totalBlocks) bad(`${usedBlocks} of ${totalBlocks} blocks`);
		}
	}
	for (const [replica, isActive] of active) if (isActive) breaches.push(`${replica} computes for ever`);
	return breaches;
}

/** Every GPU does one thing at every microsecond, and what it did adds up to the wall time. */
function idleBreaches(records: readonly RunRecord[]): string[] {
	const endUs = records.at(-1)?.timeUs ?? 0;
	const timeline = gpuTimeline(records);
	return gpuTimes(records).flatMap(({ gpu, wallUs, busyUs, idleUs }) => {
		const parts = [busyUs, ...IDLE_CAUSES.map((cause) => idleUs[cause])];
		const sumUs = parts.reduce((sum, part) => sum + part, 0);
		const breaches =
			sumUs === wallUs && wallUs === endUs ? [] : [`${gpu}: ${sumUs} of ${wallUs} us explained`];
		if (parts.some((part) => part < 0)) breaches.push(`${gpu}: ${parts.join(', ')} us`);
		let untilUs = 0;
		for (const interval of timeline.filter((entry) => entry.gpu === gpu)) {
			if (interval.fromUs !== untilUs || interval.toUs <= interval.fromUs)
				breaches.push(`${gpu}: gap or overlap at ${untilUs}`);
			untilUs = interval.toUs;
		}
		if (untilUs !== endUs) breaches.push(`${gpu}: nothing said after ${untilUs}`);
		return breaches;
	});
}

type CallEnd = Extract<RunRecord, { type: 'call-finished' | 'call-cancelled' | 'call-failed' }>;

/** Told to stop or to sleep, a replica may be rid of its last calls only then: each moves away, is parked or is cancelled within the same instant. */
function leavesAtOnce(
	{ replica, state, timeUs }: Extract<RunRecord, { type: 'replica-changed' }>,
	open: number,
	records: readonly RunRecord[],
): boolean {
	if (state !== 'stopping' && state !== 'falling-asleep') return false;
	const now = records.filter((record) => record.timeUs === timeUs);
	const told = now.findIndex(
		(record) => record.type === 'replica-changed' && record.replica === replica && record.state === state,
	);
	const later = now.slice(told);
	const came = later.filter((record) => record.type === 'call-migrated' && record.replica === replica);
	const left = later.filter(
		(record) =>
			(record.type === 'call-migrated' && record.from === replica) ||
			((record.type === 'call-parked' || record.type === 'call-cancelled') && record.replica === replica),
	);
	return left.length - came.length === open;
}

/** A call that ran into a limit below its own. */
function isCutShort(records: readonly RunRecord[], call: CallId | undefined): boolean {
	const own = records.filter((record) => 'call' in record && record.call === call);
	const sent = own.findLast((record) => record.type === 'call-dispatched');
	const end = own.find((record) => record.type === 'call-finished');
	return (
		sent?.cutTokens !== undefined && end?.finishReason === 'length' && end.outputTokens >= sent.cutTokens
	);
}

/** What the gate made of a query by the time at which it was settled: asked at every end, until it decided; `accept` also where it foresees that. */
function voteAt(
	records: readonly RunRecord[],
	query: Query,
	settled: RunRecord,
	gate: Gate,
): { readonly verdict: Verdict; readonly answer: Answer } {
	const slots = query.slots.map((_, slotIndex) => expertCallId(query.id, slotIndex));
	const answers: (Answer | undefined)[] = slots.map(() => undefined);
	for (const record of records.slice(0, records.indexOf(settled))) {
		if (!isEnd(record) || !slots.includes(record.call)) continue;
		answers[slots.indexOf(record.call)] = record.type === 'call-finished' ? record.answer : null;
		const decision = gate.decide(answers, query);
		if (decision.verdict !== 'open') return decision;
	}
	const foreseen = gate.foresee(answers, query);
	return foreseen === undefined ? { verdict: 'open', answer: null } : { verdict: 'accept', answer: foreseen };
}

const isEnd = (record: RunRecord): record is CallEnd =>
	record.type === 'call-finished' || record.type === 'call-cancelled' || record.type === 'call-failed';
