import type { ModelId, ReplicaId } from '../domain/ids.ts';
import type { ReplicaChanged, RunRecord } from '../domain/run-log.ts';

/** Calls that were cancelled before they ever ran, when replicas of their model had failed and none was left: nobody could serve them. */
export function givenUpCalls(records: readonly RunRecord[]): number {
	const replicas = new Map<ReplicaId, ReplicaChanged>();
	const isWithoutServer = (model: ModelId): boolean => {
		const states = [...replicas.values()].filter((each) => each.model === model).map(({ state }) => state);
		return states.includes('failed') && states.every((state) => state === 'failed' || state === 'stopped');
	};
	let calls = 0;
	for (const record of records) {
		if (record.type === 'replica-changed') replicas.set(record.replica, record);
		else if (record.type === 'call-cancelled' && record.replica === null && isWithoutServer(record.model))
			calls++;
	}
	return calls;
}
