import { present } from '../domain/errors.ts';
import type { ReplicaId } from '../domain/ids.ts';
import type { ReplicaProfile } from '../domain/model.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Action, ReplicaState } from '../domain/scheduler.ts';
import type { TimeUs } from '../domain/units.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Executor } from './executor.ts';
import { enterState, loadingReplica, type ReplicaRecord } from './replica-states.ts';
import { profileOn } from './view.ts';

interface OrderParts {
	readonly state: ClusterState;
	readonly profiles: readonly ReplicaProfile[];
	readonly executor: Executor;
	readonly write: (record: RunRecord) => void;
}

/** What a scheduler orders of replicas, as far as memory allows it, and what becomes of them: state, executor and run log in step. */
export class ReplicaOrders {
	private readonly parts: OrderParts;

	constructor(parts: OrderParts) {
		this.parts = parts;
	}

	start({ replica: id, model, gpus }: Extract<Action, { type: 'start' }>, nowUs: TimeUs): void {
		const { state, profiles, executor } = this.parts;
		const profile = present(profileOn(state, profiles, model, gpus), `profile of ${model}`);
		const about = { id, model, gpus };
		const reason = state.occupancy.startRefusal(gpus, profile.gpuBytesPerGpu);
		if (reason !== null) {
			this.refuse('start-refused', about, reason, nowUs);
			return;
		}
		const record = loadingReplica({ ...about, profile });
		state.replicas.set(id, record);
		this.log(record, nowUs);
		executor.start({ replica: id, model, gpus, profile });
	}

	stop(id: ReplicaId, nowUs: TimeUs): void {
		this.enter(id, 'stopping', nowUs);
		this.parts.executor.stop(id);
	}

	sleep({ replica: id, level }: Extract<Action, { type: 'sleep' }>, nowUs: TimeUs): void {
		const record = this.parts.state.replica(id);
		const reason = this.parts.state.occupancy.sleepRefusal(record, level);
		if (reason !== null) {
			this.refuse('sleep-refused', record, reason, nowUs);
			return;
		}
		enterState(record, 'falling-asleep', level);
		this.log(record, nowUs);
		this.parts.executor.sleep(id, level);
	}

	wake(id: ReplicaId, nowUs: TimeUs): void {
		const record = this.parts.state.replica(id);
		const reason = this.parts.state.occupancy.wakeRefusal(record);
		if (reason !== null) {
			this.refuse('start-refused', record, reason, nowUs);
			return;
		}
		this.enter(id, 'waking', nowUs);
		this.parts.executor.wake(id);
	}

	/** A replica came to this state. */
	enter(id: ReplicaId, state: ReplicaState, nowUs: TimeUs, reason?: string): void {
		const record = this.parts.state.replica(id);
		enterState(record, state);
		this.log(record, nowUs, reason);
	}

	private refuse(
		type: 'start-refused' | 'sleep-refused',
		{ id: replica, model, gpus }: Pick<ReplicaRecord, 'id' | 'model' | 'gpus'>,
		reason: string,
		timeUs: TimeUs,
	): void {
		this.parts.write({ type, timeUs, replica, model, gpus, reason });
	}

	private log({ id: replica, model, gpus, state }: ReplicaRecord, timeUs: TimeUs, reason?: string): void {
		const why = reason === undefined ? {} : { reason };
		this.parts.write({ type: 'replica-changed', timeUs, replica, model, gpus, state, ...why });
	}
}
