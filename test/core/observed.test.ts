import { describe, expect, it } from 'vitest';
import type { CallRecord, ClusterState } from '../../sim/core/cluster-state.ts';
import { observedLengths } from '../../sim/core/observed.ts';
import { aggregatorCallId, expertCallId, modelId, queryId, replicaId } from '../../sim/domain/ids.ts';

const query = queryId('q');
const replica = replicaId('r');

const record = (slot: number | 'aggregator', more: Partial<CallRecord>): CallRecord => ({
	call: {
		id: slot === 'aggregator' ? aggregatorCallId(query) : expertCallId(query, slot),
		query,
		model: modelId(slot === 'aggregator' ? 'big' : `m${slot}`),
		role: slot === 'aggregator' ? 'aggregator' : 'expert',
	} as CallRecord['call'],
	state: 'finished',
	replica,
	dispatchedUs: 0,
	carriedTokens: 0,
	isKept: false,
	outputTokens: 0,
	limitTokens: 1000,
	...more,
});

const stateOf = (records: readonly CallRecord[], tokenUs: number | null): ClusterState => {
	const calls = new Map(records.map((one) => [one.call.id, one]));
	const slotCalls = records.flatMap(({ call }) => (call.role === 'expert' ? [call.id] : []));
	return {
		calls,
		call: (id: CallRecord['call']['id']) => calls.get(id),
		query: () => ({ slotCalls }),
		replica: () => ({ tokenUs }),
	} as unknown as ClusterState;
};

describe('lengths seen so far', () => {
	const records = [
		record(0, { outputTokens: 300 }),
		record(1, { state: 'dispatched', dispatchedUs: 2000, carriedTokens: 7, outputTokens: 0 }),
		record(2, { state: 'pending' }),
		record(3, { state: 'failed', outputTokens: 12 }),
		record('aggregator', { outputTokens: 40 }),
	];
	const known = { model: 'm0', tokens: 300 };

	it('are those of calls that ended and, at the pace of their replica, of those that run, each with what its query has shown otherwise', () => {
		expect(
			observedLengths(stateOf(records, 100), 12_000).map(({ model, role, calls }) => [model, role, ...calls]),
		).toEqual([
			['m0', 'expert', { hasFinished: true, tokens: 300, beside: [] }],
			['m1', 'expert', { hasFinished: false, tokens: 107, beside: [known] }],
			['m2', 'expert'],
			['m3', 'expert'],
			['big', 'aggregator', { hasFinished: true, tokens: 40, beside: [known] }],
		]);
	});

	it('leave out calls that run at an unknown pace', () => {
		const [, running] = observedLengths(stateOf(records, null), 12_000);
		expect(running).toMatchObject({ model: 'm1', calls: [] });
	});
});
