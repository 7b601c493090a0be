import type { ReplicaId } from '../domain/ids.ts';
import type { ReplicaProfile } from '../domain/model.ts';
import type { Action } from '../domain/scheduler.ts';
import type { Call } from '../domain/work.ts';
import type { ClusterState } from './cluster-state.ts';
import { profileOn } from './view.ts';

/**
 * Whether an action is allowed now.
 * @returns null when it is, else what is wrong with it; a scheduler that sends such an action has a bug. A start that does not fit in
 * memory is not among these: it is refused at run time, as the engine refuses it.
 */
export function actionFault(
	state: ClusterState,
	profiles: readonly ReplicaProfile[],
	action: Action,
): string | null {
	switch (action.type) {
		case 'start':
			return startFault(state, profiles, action);
		case 'sleep':
			return replicaFault(state, action, ['awake'], true);
		case 'wake':
			return replicaFault(state, action, ['asleep-1', 'asleep-2'], false);
		case 'stop':
			return replicaFault(state, action, ['loading', 'awake', 'asleep-1', 'asleep-2', 'waking'], true);
		case 'dispatch':
			return dispatchFault(state, action);
		case 'migrate':
			return migrateFault(state, action);
		case 'park': {
			const record = state.calls.get(action.call);
			if (record === undefined) return `call ${action.call} is unknown`;
			return record.state === 'dispatched'
				? null
				: `call ${action.call} is ${record.state}, so it cannot be parked`;
		}
		case 'cancel': {
			const record = state.calls.get(action.call);
			if (record === undefined) return `call ${action.call} is unknown`;
			return ['pending', 'dispatched', 'parking'].includes(record.state)
				? null
				: `call ${action.call} is ${record.state} already`;
		}
		case 'settle': {
			const record = state.queries.get(action.query);
			if (record === undefined) return `query ${action.query} is unknown`;
			if (record.settled) return `query ${action.query} is settled already`;
			return record.decision.verdict === 'accept' || state.foreseen.has(action.query)
				? null
				: `the gate has not accepted the vote of query ${action.query} (verdict: ${record.decision.verdict})`;
		}
		case 'replan':
			return null;
	}
}

function startFault(
	state: ClusterState,
	profiles: readonly ReplicaProfile[],
	action: Extract<Action, { type: 'start' }>,
): string | null {
	if (state.replicas.has(action.replica)) return `replica ${action.replica} exists already`;
	if (action.gpus.length === 0) return `replica ${action.replica} names no GPU`;
	if (new Set(action.gpus).size !== action.gpus.length) return `replica ${action.replica} names a GPU twice`;
	const unknown = action.gpus.find((gpu) => state.occupancy.gpu(gpu) === undefined);
	if (unknown !== undefined) return `GPU ${unknown} is unknown`;
	if (profileOn(state, profiles, action.model, action.gpus) === undefined)
		return `model ${action.model} has no profile on ${action.gpus.join('+')}`;
	return null;
}

function replicaFault(
	state: ClusterState,
	action: Extract<Action, { type: 'sleep' | 'wake' | 'stop' }>,
	allowed: readonly string[],
	mustBeDrained: boolean,
): string | null {
	const replica = state.replicas.get(action.replica);
	if (replica === undefined) return `replica ${action.replica} is unknown`;
	if (!allowed.includes(replica.state))
		return `cannot ${action.type} replica ${action.replica} while it is ${replica.state}`;
	if (mustBeDrained && replica.open.size > 0)
		return `cannot ${action.type} replica ${action.replica}: ${replica.open.size} calls have not ended`;
	return null;
}

function dispatchFault(state: ClusterState, action: Extract<Action, { type: 'dispatch' }>): string | null {
	const record = state.calls.get(action.call);
	if (record === undefined) return `call ${action.call} is unknown or not ready`;
	if (record.state !== 'pending') return `call ${action.call} is ${record.state}, not pending`;
	const fault = targetFault(state, record.call, action.replica, 'go');
	if (fault !== null) return fault;
	if (action.maxOutputTokens !== undefined && !(Math.floor(action.maxOutputTokens) > record.carriedTokens))
		return `call ${action.call} has ${record.carriedTokens} tokens already and is to generate at most ${action.maxOutputTokens}`;
	return null;
}

function migrateFault(state: ClusterState, action: Extract<Action, { type: 'migrate' }>): string | null {
	const record = state.calls.get(action.call);
	if (record === undefined) return `call ${action.call} is unknown`;
	if (record.state !== 'dispatched') return `call ${action.call} is ${record.state}, so it cannot move`;
	if (record.replica === action.replica) return `call ${action.call} is on replica ${action.replica} already`;
	return targetFault(state, record.call, action.replica, 'move');
}

/** Whether a call may go to a replica. @param how for people */
function targetFault(
	state: ClusterState,
	{ id, model }: Call,
	replicaId: ReplicaId,
	how: 'go' | 'move',
): string | null {
	const replica = state.replicas.get(replicaId);
	if (replica === undefined) return `replica ${replicaId} is unknown`;
	if (replica.state !== 'awake')
		return `replica ${replicaId} is ${replica.state}, so call ${id} cannot ${how} there`;
	if (replica.model !== model)
		return `call ${id} needs model ${model}, replica ${replicaId} runs ${replica.model}`;
	return null;
}
