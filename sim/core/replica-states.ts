import { assert } from '../domain/errors.ts';
import type { GpuId, ModelId, ReplicaId } from '../domain/ids.ts';
import type { ReplicaProfile, SleepLevel } from '../domain/model.ts';
import type { ReplicaState } from '../domain/scheduler.ts';
import type { CallRole } from '../domain/work.ts';
import type { CallRecord } from './cluster-state.ts';

export interface ReplicaRecord {
	readonly id: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly profile: ReplicaProfile;
	state: ReplicaState;
	/** Whether its engine takes part in its GPUs: not while it sleeps, nor when it is stopped in its sleep. */
	hasEngine: boolean;
	/** On each of its GPUs. */
	heldGpuBytes: number;
	/** On all its hosts together. */
	heldHostBytes: number;
	/** Calls on it that have not ended, in order of dispatch. */
	readonly open: Set<CallRecord>;
	readonly dispatched: Record<CallRole, number>;
	/** Between two tokens of a call that ended on it, the latest weighing most; null before the first. */
	tokenUs: number | null;
}

/** What may follow on what. A failure may come at any time; a replica whose engine is brought up again after one loads once more. */
const NEXT_STATES: Readonly<Record<ReplicaState, readonly ReplicaState[]>> = {
	loading: ['awake', 'stopping', 'loading', 'failed'],
	awake: ['falling-asleep', 'stopping', 'loading', 'failed'],
	'falling-asleep': ['asleep-1', 'asleep-2', 'loading', 'failed'],
	'asleep-1': ['waking', 'stopping', 'loading', 'failed'],
	'asleep-2': ['waking', 'stopping', 'loading', 'failed'],
	waking: ['awake', 'stopping', 'loading', 'failed'],
	stopping: ['stopped', 'failed'],
	stopped: [],
	failed: [],
};

/** A replica that begins to load: it holds its memory from now on. */
export function loadingReplica(
	about: Pick<ReplicaRecord, 'id' | 'model' | 'gpus' | 'profile'>,
): ReplicaRecord {
	return {
		...about,
		state: 'loading',
		hasEngine: true,
		heldGpuBytes: about.profile.gpuBytesPerGpu,
		heldHostBytes: 0,
		open: new Set(),
		dispatched: { expert: 0, aggregator: 0 },
		tokenUs: null,
	};
}

/**
 * Moves a replica to a state, and with it the memory that it holds: at every moment the most of what it held before and will hold after.
 * @param level of the sleep that it falls into; its other states need none
 */
export function enterState(replica: ReplicaRecord, state: ReplicaState, level?: SleepLevel): void {
	const { profile } = replica;
	assert(
		NEXT_STATES[replica.state].includes(state),
		`replica ${replica.id} went from ${replica.state} to ${state}`,
	);
	replica.state = state;
	switch (state) {
		case 'stopping':
			// What it had, it has until it has stopped.
			break;
		case 'stopped':
		case 'failed':
			replica.hasEngine = false;
			replica.heldGpuBytes = 0;
			replica.heldHostBytes = 0;
			break;
		case 'falling-asleep':
			// Weights are copied out before they leave the GPU.
			replica.heldHostBytes = level === 1 ? profile.sleepingHostBytes : 0;
			break;
		case 'asleep-1':
		case 'asleep-2':
			replica.hasEngine = false;
			replica.heldGpuBytes = Math.min(profile.sleepingGpuBytesPerGpu, profile.gpuBytesPerGpu);
			break;
		case 'waking':
			replica.hasEngine = true;
			replica.heldGpuBytes = profile.gpuBytesPerGpu;
			break;
		case 'awake':
		case 'loading':
			replica.hasEngine = true;
			replica.heldGpuBytes = profile.gpuBytesPerGpu;
			replica.heldHostBytes = 0;
			break;
	}
}
