import { cancelledWork } from '../../sim/core/call-end-record.ts';
import type { Executor, ReplicaStart } from '../../sim/core/executor.ts';
import { present } from '../../sim/domain/errors.ts';
import type { CallId, GpuId, ReplicaId } from '../../sim/domain/ids.ts';
import type { SleepLevel } from '../../sim/domain/model.ts';
import type { Call } from '../../sim/domain/work.ts';
import type { ReplicaSnapshot, RestoredReplica } from '../happening.ts';
import { endLeftovers } from '../process/leftovers.ts';
import { Locks } from '../process/locks.ts';
import { Launcher } from './launcher.ts';
import { Outbox } from './outbox.ts';
import type { LiveExecutorParts } from './parts.ts';
import { LiveReplica } from './replica.ts';

export type { LiveExecutorParts } from './parts.ts';

/** Why replicas restart that a resumed run takes over. */
export const RESTARTED = 'the controller was restarted';

/** Turns the controller's orders into processes and HTTP, and what comes of them into happenings. */
export class LiveExecutor implements Executor {
	private readonly parts: LiveExecutorParts;
	private readonly outbox: Outbox;
	private readonly launcher: Launcher;
	private readonly gpuLocks = new Locks<GpuId>();
	private readonly replicas = new Map<ReplicaId, LiveReplica>();
	private closing: Promise<void> | null = null;

	constructor(parts: LiveExecutorParts) {
		this.parts = parts;
		this.outbox = new Outbox(parts.clock, parts.happened);
		this.launcher = new Launcher(parts);
	}

	start(start: ReplicaStart): void {
		this.create(start).start();
	}

	stop(replica: ReplicaId): void {
		this.replica(replica).stop();
	}

	sleep(replica: ReplicaId, level: SleepLevel): void {
		this.replica(replica).sleep(level);
	}

	wake(replica: ReplicaId): void {
		this.replica(replica).wake();
	}

	dispatch(call: Call, replica: ReplicaId): void {
		this.replica(replica).dispatch(call);
	}

	/** A call that has ended meanwhile stays as it ended. */
	cancel(call: CallId): void {
		for (const replica of this.replicas.values()) if (replica.cancel(call)) return;
	}

	/**
	 * Takes over from a controller that is gone, before any order: its processes are ended, its replicas come up again under their ids, their
	 * open calls are sent again.
	 */
	restore(replicas: readonly RestoredReplica[]): void {
		const { runId } = this.parts;
		const cleared = endLeftovers(runId);
		this.launcher.holdUntil(cleared);
		for (const { start, state, openCalls, cancelling } of replicas) {
			const replica = this.create(start);
			for (const call of cancelling) this.endCancelled(call, start.replica);
			switch (state) {
				case 'loading':
				case 'awake':
				case 'waking':
					replica.bringBack(RESTARTED, openCalls);
					break;
				case 'falling-asleep':
				case 'asleep-1':
				case 'asleep-2':
					replica.keepAsleep(state !== 'falling-asleep');
					break;
				case 'stopping':
					replica.stop(cleared);
			}
		}
	}

	/** Replicas that are neither stopped nor failed, in order of their start. */
	snapshot(): readonly ReplicaSnapshot[] {
		return [...this.replicas.values()].map((replica) => replica.snapshot()).filter((each) => each !== null);
	}

	/** Ends everything that runs. Nothing happens any more from this moment on; resolves when all of it is gone. */
	close(): Promise<void> {
		this.closing ??= this.closeAll();
		return this.closing;
	}

	private async closeAll(): Promise<void> {
		this.outbox.close();
		await Promise.all([...this.replicas.values()].map((replica) => replica.close()));
	}

	private create(start: ReplicaStart): LiveReplica {
		const { launcher, gpuLocks, outbox } = this;
		const broken = this.parts.broken ?? rethrow;
		const replica = new LiveReplica(start, { ...this.parts, launcher, gpuLocks, outbox, broken });
		this.replicas.set(start.replica, replica);
		return replica;
	}

	private replica(id: ReplicaId): LiveReplica {
		return present(this.replicas.get(id), `replica ${id}`);
	}

	/** Its server was told to stop, or died with its controller; what it had produced is not known. */
	private endCancelled({ id }: Call, replica: ReplicaId): void {
		this.parts.content.forget(id);
		const work = cancelledWork(this.parts.clock.nowUs(), 0);
		this.outbox.put({ kind: 'call-ended', call: id, replica, outcome: { kind: 'cancelled' }, work });
	}
}

const rethrow = (error: unknown): never => {
	throw error;
};
