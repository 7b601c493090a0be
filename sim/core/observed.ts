import type { KnownLength, ObservedCall, ObservedLengths } from '../domain/scheduler.ts';
import type { TimeUs } from '../domain/units.ts';
import type { CallRecord, ClusterState } from './cluster-state.ts';

/** All calls that have begun, by model and role: those that ended by themselves, and those that still run as far as their replica's pace tells. */
export function observedLengths(state: ClusterState, nowUs: TimeUs): readonly ObservedLengths[] {
	const observed = new Map<string, { calls: ObservedCall[] } & Pick<ObservedLengths, 'model' | 'role'>>();
	for (const record of state.calls.values()) {
		const { model, role } = record.call;
		const key = `${role}/${model}`;
		let own = observed.get(key);
		if (own === undefined) {
			own = { model, role, calls: [] };
			observed.set(key, own);
		}
		const hasFinished = record.state === 'finished';
		const tokens = hasFinished ? record.outputTokens : tokensSoFar(state, record, nowUs);
		if (tokens !== null) own.calls.push({ hasFinished, tokens, beside: besides(state, record) });
	}
	return [...observed.values()];
}

/** Null for a call that does not run, or where nothing is known of its replica's pace. */
function tokensSoFar(state: ClusterState, record: CallRecord, nowUs: TimeUs): number | null {
	if (record.state !== 'dispatched' || record.replica === null) return null;
	const { tokenUs } = state.replica(record.replica);
	return tokenUs === null ? null : record.carriedTokens + (nowUs - record.dispatchedUs) / tokenUs;
}

/** What the other expert calls of its query generated. */
function besides(state: ClusterState, { call }: CallRecord): readonly KnownLength[] {
	const known: KnownLength[] = [];
	for (const id of state.query(call.query).slotCalls) {
		const other = state.call(id);
		if (id !== call.id && other.state === 'finished')
			known.push({ model: other.call.model, tokens: other.outputTokens });
	}
	return known;
}
