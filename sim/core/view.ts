import { present } from '../domain/errors.ts';
import type { CallId, GpuId, HostId, ModelId, QueryId, ReplicaId } from '../domain/ids.ts';
import type { Cluster, ReplicaProfile } from '../domain/model.ts';
import type { Plan } from '../domain/plan.ts';
import {
	findProfileOn,
	type OpenCall,
	type QueryView,
	type ReplicaView,
	type View,
} from '../domain/scheduler.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Call, CallRole, Gate } from '../domain/work.ts';
import type { ClusterState, QueryRecord } from './cluster-state.ts';
import type { ReplicaRecord } from './replica-states.ts';

/**
 * The wall: what a scheduler may see of the state. Everything handed out is a copy or a list that is never changed afterwards, and
 * the state behind it holds no true length and no future arrival, so there is nothing to peep at.
 */
export function createView(
	state: ClusterState,
	profiles: readonly ReplicaProfile[],
	nowUs: TimeUs,
	plan: Plan,
	allArrived: boolean,
	gate: Gate,
): View {
	const cluster: Cluster = state.cluster;
	return {
		nowUs,
		plan,
		cluster,
		replicas: [...state.replicas.values()].map(replicaView),
		openExpertCalls: state.openExpertCalls,
		openQueries: state.openQueries,
		allArrived,
		acceptable: [...state.acceptable],
		foreseen: [...state.foreseen.keys()],
		pending: (model: ModelId, role: CallRole): readonly Call[] => state.pending.list(model, role),
		pendingByAnswers: (model: ModelId, role: CallRole) => state.pending.listByAnswers(model, role),
		openOn: (replica: ReplicaId): readonly OpenCall[] => openOn(state, replica),
		carriedTokens: (call: CallId) => state.call(call).carriedTokens,
		cutTokens: (call: Call) => Math.min(call.maxOutputTokens, gate.cutTokens(call)),
		answersOf: (id: QueryId) => state.answersOf(id),
		query: (id: QueryId): QueryView => queryView(state, state.query(id)),
		profile: (model, gpus) => profileOn(state, profiles, model, gpus),
		freeGpuBytes: (gpu: GpuId) => state.occupancy.freeGpuBytes(gpu),
		freeHostBytes: (host: HostId) => state.occupancy.freeHostBytes(host),
	};
}

/** Profile of a model over these GPUs; undefined when one is unknown, their types differ, or the model was not profiled so. */
export function profileOn(
	state: ClusterState,
	profiles: readonly ReplicaProfile[],
	model: ModelId,
	gpus: readonly GpuId[],
): ReplicaProfile | undefined {
	const known = gpus.flatMap((gpu) => state.occupancy.gpu(gpu) ?? []);
	return known.length === gpus.length ? findProfileOn(profiles, model, known) : undefined;
}

function openOn(state: ClusterState, replica: ReplicaId): readonly OpenCall[] {
	const calls: OpenCall[] = [];
	for (const { state: stage, call, dispatchedUs, carriedTokens } of state.replica(replica).open)
		if (stage === 'dispatched') calls.push({ call, dispatchedUs, carriedTokens });
	return calls;
}

const replicaView = (replica: ReplicaRecord): ReplicaView => ({
	id: replica.id,
	model: replica.model,
	gpus: replica.gpus,
	state: replica.state,
	openCalls: replica.open.size,
	dispatched: { ...replica.dispatched },
	tokenUs: replica.tokenUs,
});

const queryView = (state: ClusterState, record: QueryRecord): QueryView => ({
	query: record.query,
	slots: record.slotCalls.map((id, slotIndex) => ({
		call: id,
		model: present(record.query.slots[slotIndex], 'slot model'),
		state: state.call(id).state,
		answer: record.answers[slotIndex],
		outputTokens: record.answers[slotIndex] === undefined ? undefined : state.call(id).outputTokens,
	})),
	verdict: record.decision.verdict,
	aggregatorCall: record.aggregatorCall,
	settled: record.settled,
});
