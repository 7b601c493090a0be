import { cancelledWork } from '../../sim/core/call-end-record.ts';
import type { Executor, ReplicaStart } from '../../sim/core/executor.ts';
import { present } from '../../sim/domain/errors.ts';
import type { CallId, GpuId, ReplicaId } from '../../sim/domain/ids.ts';
import type { SleepLevel } from '../../sim/domain/model.ts';
import type { Call } from '../../sim/domain/work.ts';
import { type CarriedCall, carriedTokens, type ReplicaSnapshot, type RestoredReplica } from '../happening.ts';
import { endLeftovers } from '../process/leftovers.ts';
import { Locks } from '../process/locks.ts';
import { Launcher } from './launcher.ts';
import type { MovingCall } from './open-call.ts';
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
	/** Calls that wait to be dispatched again, with what they have. */
	private readonly parked = new Map<CallId, Pick<MovingCall, 'carried' | 'attempts'>>();
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
		const parked = this.parked.get(call.id);
		this.parked.delete(call.id);
		this.replica(replica).takeIn({ carried: null, attempts: 0, ...parked, call });
	}

	/** A call that has ended meanwhile stays as it ended; of one that is parked nothing is left to be told. */
	cancel(call: CallId): void {
		if (this.parked.delete(call)) return;
		for (const replica of this.replicas.values()) if (replica.cancel(call)) return;
	}

	/** Goes on with a call on another replica, with prompt and output so far as its prompt: see `continuedPrompt`. */
	migrate(call: CallId, to: ReplicaId): void {
		const target = this.replica(to);
		for (const [from, replica] of this.replicas) {
			const moving = replica === target ? null : replica.calls.release(call);
			if (moving === null) continue;
			const { carried } = moving;
			this.outbox.put(
				{ kind: 'call-migrated', call, from, replica: to, outputTokens: carriedTokens(carried) },
				{ carried },
			);
			target.takeIn(moving);
			return;
		}
	}

	/** Goes on with it in the same way where it is dispatched next. */
	park(call: CallId): void {
		for (const [id, replica] of this.replicas) {
			const parked = replica.calls.release(call);
			if (parked === null) continue;
			const { carried } = parked;
			this.parked.set(call, parked);
			this.outbox.put(
				{ kind: 'call-parked', call, replica: id, outputTokens: carriedTokens(carried) },
				{ carried },
			);
			return;
		}
	}

	/**
	 * Takes over from a controller that is gone, before any order: its processes are ended, its replicas come up again under their ids, their
	 * open calls are sent again.
	 * @param parked what calls that are to be dispatched again have with them
	 */
	restore(replicas: readonly RestoredReplica[], parked: ReadonlyMap<CallId, CarriedCall> = new Map()): void {
		for (const [call, carried] of parked) this.parked.set(call, { carried, attempts: 0 });
		const { runId } = this.parts;
		const cleared = endLeftovers(runId);
		this.launcher.holdUntil(cleared);
		for (const { start, state, openCalls, carried, cancelling } of replicas) {
			const replica = this.create(start);
			for (const { id } of cancelling) this.endCancelled(id, start.replica, carriedTokens(carried.get(id)));
			switch (state) {
				case 'loading':
				case 'awake':
				case 'waking':
					replica.bringBack(
						RESTARTED,
						openCalls.map((call) => ({ call, carried: carried.get(call.id) ?? null, attempts: 0 })),
					);
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

	/** Its server was told to stop, or died with its controller; what it had produced there is not known. */
	private endCancelled(id: CallId, replica: ReplicaId, outputTokens: number): void {
		this.parts.content.forget(id);
		const work = cancelledWork(this.parts.clock.nowUs(), outputTokens);
		this.outbox.put({ kind: 'call-ended', call: id, replica, outcome: { kind: 'cancelled' }, work });
	}
}

const rethrow = (error: unknown): never => {
	throw error;
};
