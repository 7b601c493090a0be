import type { TimeUs } from '../domain/units.ts';
import type { CallRecord, ClusterState } from './cluster-state.ts';
import { observedLengths } from './observed.ts';
import type { Remaining } from './problem.ts';

/** What is left to plan in the middle of a run. @param arrivedQueries so far, settled ones included */
export function remainingOf(state: ClusterState, arrivedQueries: number, nowUs: TimeUs): Remaining {
	const left = [...state.queries.values()].filter((record) => !record.settled);
	// One that is being parked waits again in a moment.
	const waits = (record: CallRecord) => record.state === 'pending' || record.state === 'parking';
	const calls = left.flatMap(({ slotCalls }) => slotCalls.map((id) => state.call(id)));
	return {
		queries: left.map((record) => record.query),
		expertCalls: calls.filter(waits).map((record) => record.call),
		arrivedQueries,
		observed: observedLengths(state, nowUs),
	};
}
