import type { ObservedLengths } from '../domain/scheduler.ts';
import type { TimeUs } from '../domain/units.ts';
import type { ClusterState } from './cluster-state.ts';

/** Output tokens of all calls so far, by model and role: of those that ended by themselves, and of those that still run as far as their replica's pace tells. */
export function observedLengths(state: ClusterState, nowUs: TimeUs): readonly ObservedLengths[] {
	const observed = new Map<
		string,
		{ finishedTokens: number[]; openTokens: number[] } & Pick<ObservedLengths, 'model' | 'role'>
	>();
	for (const {
		call,
		state: stage,
		outputTokens,
		replica: id,
		dispatchedUs,
		carriedTokens,
	} of state.calls.values()) {
		const key = `${call.role}/${call.model}`;
		let own = observed.get(key);
		if (own === undefined) {
			own = { model: call.model, role: call.role, finishedTokens: [], openTokens: [] };
			observed.set(key, own);
		}
		if (stage === 'finished') own.finishedTokens.push(outputTokens);
		if (stage !== 'dispatched' || id === null) continue;
		const { tokenUs } = state.replica(id);
		if (tokenUs !== null) own.openTokens.push(carriedTokens + (nowUs - dispatchedUs) / tokenUs);
	}
	return [...observed.values()];
}
