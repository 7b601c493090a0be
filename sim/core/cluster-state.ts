import { present } from '../domain/errors.ts';
import type { CallId, GpuId, ModelId, QueryId, ReplicaId } from '../domain/ids.ts';
import { aggregatorCallId, expertCallId } from '../domain/ids.ts';
import type { Cluster, Gpu, Model, ReplicaProfile } from '../domain/model.ts';
import type { CallState, ReplicaState } from '../domain/scheduler.ts';
import type { Answer, Call, CallRole, GateDecision, Query } from '../domain/work.ts';
import { PendingCalls } from './pending-calls.ts';

/** GPU memory that a sleeping engine keeps: 1 to 2 GiB published for vLLM's sleep mode; the middle is used. */
const SLEEPING_GPU_BYTES = 1.5 * 1024 ** 3;

const WITHOUT_ENGINE: ReadonlySet<ReplicaState> = new Set(['stopped', 'failed', 'asleep-1', 'asleep-2']);

export interface ReplicaRecord {
	readonly id: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly profile: ReplicaProfile;
	state: ReplicaState;
	/** On each of its GPUs. */
	heldGpuBytes: number;
	openCalls: number;
	readonly dispatched: Record<CallRole, number>;
}

export interface CallRecord {
	readonly call: Call;
	state: CallState;
	replica: ReplicaId | null;
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

/** What is known of the cluster and the work at one moment: facts that have happened, never what is still to come. */
export class ClusterState {
	readonly cluster: Cluster;
	readonly replicas = new Map<ReplicaId, ReplicaRecord>();
	readonly calls = new Map<CallId, CallRecord>();
	readonly queries = new Map<QueryId, QueryRecord>();
	readonly pending = new PendingCalls();
	/** Queries whose vote may be accepted, in the order in which they became so. */
	readonly acceptable = new Set<QueryId>();
	openExpertCalls = 0;
	openQueries = 0;
	private readonly gpusById: ReadonlyMap<GpuId, Gpu>;
	private readonly modelsById: ReadonlyMap<ModelId, Model>;

	constructor(cluster: Cluster, models: readonly Model[]) {
		this.cluster = cluster;
		this.gpusById = new Map(cluster.gpus.map((gpu) => [gpu.id, gpu]));
		this.modelsById = new Map(models.map((model) => [model.id, model]));
	}

	gpu(id: GpuId): Gpu | undefined {
		return this.gpusById.get(id);
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

	/** Bytes of a GPU that no replica holds. */
	freeGpuBytes(id: GpuId): number {
		let free = present(this.gpusById.get(id), `gpu ${id}`).memoryBytes;
		for (const replica of this.replicas.values()) {
			if (replica.gpus.includes(id)) free -= replica.heldGpuBytes;
		}
		return free;
	}

	/** Why an engine cannot come up on these GPUs now; null when it can. */
	startRefusal(gpus: readonly GpuId[], neededBytes: number): string | null {
		for (const gpu of gpus) {
			const freeBytes = this.freeGpuBytes(gpu);
			if (freeBytes < neededBytes) return `needs ${neededBytes} bytes on ${gpu}, ${freeBytes} are free`;
			const occupant = this.engineOn(gpu);
			if (occupant !== undefined) return `${occupant} runs on ${gpu}: one engine at a time per GPU`;
		}
		return null;
	}

	/** The replica whose engine has this GPU: neither asleep nor stopped. How engines would share one is not modelled. */
	private engineOn(id: GpuId): ReplicaId | undefined {
		for (const replica of this.replicas.values())
			if (replica.gpus.includes(id) && !WITHOUT_ENGINE.has(replica.state)) return replica.id;
		return undefined;
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
		this.calls.set(call.id, { call, state: 'pending', replica: null });
		this.pending.add(call);
	}
}

/** Moves a replica to a state, and with it the memory that it holds. */
export function enterState(replica: ReplicaRecord, state: ReplicaState): void {
	replica.state = state;
	switch (state) {
		case 'stopping':
			// What it held, it holds until it has stopped.
			break;
		case 'stopped':
		case 'failed':
			replica.heldGpuBytes = 0;
			break;
		case 'asleep-1':
		case 'asleep-2':
			replica.heldGpuBytes = Math.min(SLEEPING_GPU_BYTES, replica.profile.gpuBytesPerGpu);
			break;
		default:
			replica.heldGpuBytes = replica.profile.gpuBytesPerGpu;
	}
}
