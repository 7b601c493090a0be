import { present } from '../domain/errors.ts';
import type { CallId, ModelId, QueryId, ReplicaId } from '../domain/ids.ts';
import { aggregatorCallId, expertCallId } from '../domain/ids.ts';
import type { Cluster, Model } from '../domain/model.ts';
import type { CallState } from '../domain/scheduler.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Answer, Call, GateDecision, Query } from '../domain/work.ts';
import type { CallWork } from './executor.ts';
import { Occupancy } from './occupancy.ts';
import { PendingCalls } from './pending-calls.ts';
import type { ReplicaRecord } from './replica-states.ts';

export interface CallRecord {
	readonly call: Call;
	state: CallState;
	replica: ReplicaId | null;
	/** When it went to its replica. */
	dispatchedUs: TimeUs;
	/** Tokens that it brought along when it moved there, or has with it while it is pending. */
	carriedTokens: number;
	/** It was parked, and its executor keeps what it has. */
	isKept: boolean;
	/** Generated when it ended; 0 before. */
	outputTokens: number;
	/** Limit on its tokens, as dispatched. */
	limitTokens: number;
}

export interface QueryRecord {
	readonly query: Query;
	readonly slotCalls: readonly CallId[];
	/** One per slot; undefined while the call has not ended. */
	readonly answers: (Answer | undefined)[];
	/** Tokens the aggregator would read of each slot. */
	readonly answerTokens: number[];
	decision: GateDecision;
	aggregatorCall: CallId | null;
	settled: boolean;
}

/** Of the latest call in the mean of a replica's pace. */
const PACE_WEIGHT = 0.1;

/** What is known of the cluster and the work at one moment: facts that have happened, never what is still to come. */
export class ClusterState {
	readonly cluster: Cluster;
	readonly replicas = new Map<ReplicaId, ReplicaRecord>();
	readonly occupancy: Occupancy;
	readonly calls = new Map<CallId, CallRecord>();
	readonly queries = new Map<QueryId, QueryRecord>();
	readonly pending = new PendingCalls();
	/** Queries whose vote may be accepted, in the order in which they became so. */
	readonly acceptable = new Set<QueryId>();
	/** Queries whose verdict is open and whose vote is certain all the same, with its answer. */
	readonly foreseen = new Map<QueryId, string>();
	openExpertCalls = 0;
	openQueries = 0;
	private readonly modelsById: ReadonlyMap<ModelId, Model>;

	constructor(cluster: Cluster, models: readonly Model[]) {
		this.cluster = cluster;
		this.occupancy = new Occupancy(cluster, this.replicas);
		this.modelsById = new Map(models.map((model) => [model.id, model]));
	}

	model(id: ModelId): Model {
		return present(this.modelsById.get(id), `model ${id}`);
	}

	call(id: CallId): CallRecord {
		return present(this.calls.get(id), `call ${id}`);
	}

	replica(id: ReplicaId): ReplicaRecord {
		return present(this.replicas.get(id), `replica ${id}`);
	}

	query(id: QueryId): QueryRecord {
		return present(this.queries.get(id), `query ${id}`);
	}

	/** Slots of a query that have ended. */
	answersOf(id: QueryId): number {
		return this.query(id).answers.reduce<number>((sum, answer) => (answer === undefined ? sum : sum + 1), 0);
	}

	enterReplica(record: CallRecord, id: ReplicaId, nowUs: TimeUs): void {
		const replica = this.replica(id);
		record.replica = id;
		record.dispatchedUs = nowUs;
		replica.open.add(record);
		replica.dispatched[record.call.role]++;
	}

	/** Learns from a call that ended on a replica how long that takes from token to token. */
	notePace(id: ReplicaId | null, record: CallRecord, work: CallWork, nowUs: TimeUs): void {
		const replica = id === null ? undefined : this.replicas.get(id);
		const tokens = work.outputTokens - record.carriedTokens - 1;
		if (replica === undefined || tokens < 1) return;
		const tokenUs = (nowUs - work.firstTokenUs) / tokens;
		if (tokenUs <= 0) return;
		replica.tokenUs =
			replica.tokenUs === null ? tokenUs : replica.tokenUs + PACE_WEIGHT * (tokenUs - replica.tokenUs);
	}

	/** A call that was to leave a replica has ended there all the same. */
	endsOn(record: CallRecord, id: ReplicaId): void {
		if (record.replica === id) return;
		if (record.replica !== null) this.leaveReplica(record, false);
		record.replica = id;
		this.replica(id).dispatched[record.call.role]++;
	}

	/** @param served false when the replica gave it back, or gave it away */
	leaveReplica(record: CallRecord, served: boolean): void {
		const replica = this.replica(present(record.replica, `replica of call ${record.call.id}`));
		replica.open.delete(record);
		if (!served) {
			replica.dispatched[record.call.role]--;
			record.replica = null;
		}
	}

	/** Adds a query that arrived and its expert calls, which may be dispatched from now on. */
	addQuery(query: Query): QueryRecord {
		const record: QueryRecord = {
			query,
			slotCalls: query.slots.map((_, slotIndex) => expertCallId(query.id, slotIndex)),
			answers: query.slots.map(() => undefined),
			answerTokens: query.slots.map(() => 0),
			decision: { verdict: 'open', answer: null },
			aggregatorCall: null,
			settled: false,
		};
		this.queries.set(query.id, record);
		this.openQueries++;
		query.slots.forEach((model, slotIndex) => {
			this.addCall({
				id: present(record.slotCalls[slotIndex], 'slot call'),
				query: query.id,
				task: query.task,
				role: 'expert',
				slotIndex,
				model,
				promptTokens: present(query.slotPromptTokens[slotIndex], 'slot prompt tokens'),
				maxOutputTokens: this.model(model).outputLimitTokens,
			});
			this.openExpertCalls++;
		});
		return record;
	}

	/** Adds the aggregator call of a query whose slots have all ended. */
	addAggregatorCall(record: QueryRecord, model: ModelId, promptTokens: number): Call {
		const call: Call = {
			id: aggregatorCallId(record.query.id),
			query: record.query.id,
			task: record.query.task,
			role: 'aggregator',
			slotIndex: -1,
			model,
			promptTokens,
			maxOutputTokens: this.model(model).outputLimitTokens,
		};
		record.aggregatorCall = call.id;
		this.addCall(call);
		return call;
	}

	private addCall(call: Call): void {
		this.calls.set(call.id, {
			call,
			state: 'pending',
			replica: null,
			dispatchedUs: 0,
			carriedTokens: 0,
			isKept: false,
			outputTokens: 0,
			limitTokens: call.maxOutputTokens,
		});
		this.pending.add(call, this.answersOf(call.query));
	}
}
