import { cancelledWork } from '../core/call-end-record.ts';
import type { Executor, ExecutorEvent, ReplicaStart } from '../core/executor.ts';
import type { EngineEvent } from '../domain/engine.ts';
import { assert, present } from '../domain/errors.ts';
import type { CallId, GpuId, ReplicaId } from '../domain/ids.ts';
import type { Gpu, SleepLevel, SleepTimes } from '../domain/model.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Call } from '../domain/work.ts';
import { EVENT_RANK, type EventRank } from './event-queue.ts';
import { type EngineHost, HostedEngine } from './hosted-engine.ts';
import type { Pending, Untimed } from './pending.ts';
import { SharedGpus } from './shared-gpus.ts';
import type { TrueCalls } from './true-calls.ts';

interface RunningReplica {
	readonly start: ReplicaStart;
	readonly engine: HostedEngine;
	/** `ready`: calls go to its engine; `away`: it loads, sleeps, or is on the way; `over`: it stops, stopped or failed. */
	stage: 'ready' | 'away' | 'over';
	/** Of its last sleep. */
	sleepLevel: SleepLevel;
	/** From then on it sleeps; Infinity when it was not told to. */
	asleepUs: TimeUs;
	/** Orders it was given (start, stop, sleep, wake), and failures. */
	orders: number;
	/** Dispatched and not ended, in order of dispatch. */
	readonly calls: Map<CallId, Call>;
}

export interface SimulatedWorld extends Pick<EngineHost, 'createEngine' | 'sampleUs' | 'queue' | 'nowUs'> {
	readonly gpus: readonly Gpu[];
	readonly trueCalls: TrueCalls;
}

/** Turns the controller's orders into later events through the engine model. */
export class SimulatedExecutor implements Executor {
	private readonly world: SimulatedWorld;
	private readonly trueCalls: TrueCalls;
	private readonly engineHost: EngineHost;
	private readonly replicas = new Map<ReplicaId, RunningReplica>();
	private readonly callReplica = new Map<CallId, ReplicaId>();

	constructor(world: SimulatedWorld) {
		this.world = world;
		this.trueCalls = world.trueCalls;
		this.engineHost = {
			createEngine: world.createEngine,
			sampleUs: world.sampleUs,
			queue: world.queue,
			nowUs: world.nowUs,
			sharedGpus: new SharedGpus(world.gpus),
			report: (event, rank) => this.happenNow(event, rank),
		};
	}

	start(start: ReplicaStart): void {
		const replica: RunningReplica = {
			start,
			engine: new HostedEngine(start, this.replicas.size, this.engineHost),
			stage: 'away',
			sleepLevel: 1,
			asleepUs: Number.POSITIVE_INFINITY,
			orders: 0,
			calls: new Map(),
		};
		this.replicas.set(start.replica, replica);
		this.carryOut(replica, start.profile.loadUs, { kind: 'replica-awake', replica: start.replica });
	}

	stop(id: ReplicaId): void {
		const replica = this.replica(id);
		replica.stage = 'over';
		replica.engine.drop();
		this.carryOut(replica, replica.start.profile.stopUs, { kind: 'replica-stopped', replica: id });
	}

	sleep(id: ReplicaId, level: SleepLevel): void {
		const replica = this.replica(id);
		const { sleepUs } = sleepTimes(replica, level);
		replica.stage = 'away';
		replica.sleepLevel = level;
		replica.asleepUs = this.world.nowUs() + sleepUs;
		// Both levels drop the KV cache, so the engine that wakes is a new one.
		replica.engine.drop();
		this.carryOut(replica, sleepUs, { kind: 'replica-asleep', replica: id, level });
	}

	wake(id: ReplicaId): void {
		const replica = this.replica(id);
		replica.asleepUs = Number.POSITIVE_INFINITY;
		const { wakeUs } = sleepTimes(replica, replica.sleepLevel);
		this.carryOut(replica, wakeUs, { kind: 'replica-awake', replica: id });
	}

	dispatch(call: Call, id: ReplicaId): void {
		const replica = this.replica(id);
		assert(replica.stage !== 'over', `replica ${id} is over, so call ${call.id} cannot go there`);
		replica.calls.set(call.id, call);
		this.callReplica.set(call.id, id);
		if (replica.stage === 'ready') replica.engine.submit([this.trueCalls.request(call)]);
	}

	/** The engine drops the call at once; its end is reported as an event of this same instant. Nothing is left of one that was parked. */
	cancel(id: CallId): void {
		const replica = this.replica(present(this.callReplica.get(id), `replica of call ${id}`));
		const call = replica.calls.get(id);
		if (call === undefined) {
			this.trueCalls.drop(id);
			return;
		}
		const outputTokens = this.trueCalls.drop(id) + replica.engine.abort(id);
		const work = cancelledWork(this.world.nowUs(), outputTokens);
		replica.calls.delete(id);
		this.trueCalls.gaveNone(call);
		const { replica: replicaId } = replica.start;
		const outcome = { kind: 'cancelled' } as const;
		this.happenNow({ kind: 'call-ended', call: id, replica: replicaId, outcome, work });
	}

	/** What it has goes along; what the engine it left held of it is computed again where it goes. */
	migrate(id: CallId, to: ReplicaId): void {
		const from = this.replica(present(this.callReplica.get(id), `replica of call ${id}`));
		const call = from.calls.get(id);
		if (call === undefined) return;
		const carried = this.trueCalls.carry(call, from.engine.abort(id));
		from.calls.delete(id);
		const target = this.replica(to);
		target.calls.set(id, call);
		this.callReplica.set(id, to);
		if (target.stage === 'ready') target.engine.submit([this.trueCalls.request(call)]);
		this.happenNow({
			kind: 'call-migrated',
			call: id,
			from: from.start.replica,
			replica: to,
			outputTokens: carried,
		});
	}

	/** What it has stays with the client; what its engine held of it is computed again. */
	park(id: CallId): void {
		const replica = this.replica(present(this.callReplica.get(id), `replica of call ${id}`));
		const call = replica.calls.get(id);
		if (call === undefined) return;
		const outputTokens = this.trueCalls.carry(call, replica.engine.abort(id));
		replica.calls.delete(id);
		this.happenNow({ kind: 'call-parked', call: id, replica: replica.start.replica, outputTokens });
	}

	/**
	 * A replica's engine dies now; nothing happens to one that is stopping or gone. What follows is known before anything else of this
	 * instant.
	 * @param restart true: it is brought up again under the same id, and its open calls are sent again when it is ready; false, or when it
	 * sleeps (its memory may be taken): its open calls come back, and it has failed for good
	 */
	fail(id: ReplicaId, reason: string, restart: boolean): void {
		const replica = this.replica(id);
		if (replica.stage === 'over') return;
		const comesBack = restart && this.world.nowUs() < replica.asleepUs;
		replica.orders++;
		replica.asleepUs = Number.POSITIVE_INFINITY;
		if (comesBack) this.restart(replica, reason);
		else this.giveUp(replica, reason);
	}

	/** Replicas whose process is on this GPU, asleep or not, in order of start. */
	replicasOn(gpu: GpuId): readonly ReplicaId[] {
		const running = [...this.replicas.values()].filter(({ stage }) => stage !== 'over');
		return running.filter(({ start }) => start.gpus.includes(gpu)).map(({ start }) => start.replica);
	}

	/** What a happening comes to, for the controller; null when an order, or a failure, overtook the one behind it. */
	happen({ event, order }: Extract<Pending, { kind: 'happening' }>): ExecutorEvent | null {
		if (order === undefined || !('replica' in event)) return event;
		const replica = this.replica(event.replica);
		if (replica.orders !== order) return null;
		if (event.kind === 'replica-awake') {
			replica.stage = 'ready';
			replica.engine.submit([...replica.calls.values()].map((call) => this.trueCalls.request(call)));
		}
		return event;
	}

	/**
	 * Lets a replica's engine run up to now.
	 * @returns happenings in order, for the controller; empty for an entry that became stale
	 */
	advance(id: ReplicaId, version: number): readonly ExecutorEvent[] {
		const replica = this.replica(id);
		const events = replica.engine.advance(version);
		return events.length === 0 ? NOTHING : events.map((event) => this.ended(replica, event));
	}

	sample(id: ReplicaId): ExecutorEvent | null {
		return this.replica(id).engine.sample();
	}

	private replica(id: ReplicaId): RunningReplica {
		return present(this.replicas.get(id), `replica ${id}`);
	}

	private restart(replica: RunningReplica, reason: string): void {
		const { replica: id, profile } = replica.start;
		replica.stage = 'away';
		replica.engine.drop(EVENT_RANK.failure);
		this.happenNow({ kind: 'replica-restarting', replica: id, reason }, EVENT_RANK.failure);
		this.carryOut(replica, profile.loadUs, { kind: 'replica-awake', replica: id });
	}

	private giveUp(replica: RunningReplica, reason: string): void {
		const { replica: id } = replica.start;
		const lost = [...replica.calls.values()].map((call) => ({
			call: call.id,
			outputTokens: this.trueCalls.drop(call.id) + replica.engine.abort(call.id),
		}));
		replica.stage = 'over';
		replica.calls.clear();
		replica.engine.drop(EVENT_RANK.failure);
		for (const one of lost)
			this.happenNow({ kind: 'call-returned', ...one, replica: id, reason }, EVENT_RANK.failure);
		this.happenNow({ kind: 'replica-failed', replica: id, reason }, EVENT_RANK.failure);
	}

	private ended(replica: RunningReplica, event: EngineEvent): ExecutorEvent {
		const { timeUs } = event;
		const call = present(replica.calls.get(event.id as CallId), `call ${event.id}`);
		replica.calls.delete(call.id);
		const common = { kind: 'call-ended', timeUs, call: call.id, replica: replica.start.replica } as const;
		if (event.kind === 'rejected') {
			this.trueCalls.gaveNone(call);
			return { ...common, outcome: { kind: 'failed', reason: event.reason }, work: null };
		}
		return {
			...common,
			outcome: this.trueCalls.outcome(call, event),
			work: this.trueCalls.work(call, event),
		};
	}

	/** The outcome of an order to a replica, unless another order comes first: a stop overtakes a load. */
	private carryOut(replica: RunningReplica, afterUs: TimeUs, event: Untimed<ExecutorEvent>): void {
		this.put(this.world.nowUs() + afterUs, EVENT_RANK.replica, event, ++replica.orders);
	}

	private happenNow(event: Untimed<ExecutorEvent>, rank: EventRank = EVENT_RANK.replica): void {
		this.put(this.world.nowUs(), rank, event);
	}

	private put(timeUs: TimeUs, rank: EventRank, what: Untimed<ExecutorEvent>, order?: number): void {
		const event = { ...what, timeUs } as ExecutorEvent;
		const entry: Pending =
			order === undefined ? { kind: 'happening', event } : { kind: 'happening', event, order };
		this.world.queue.push(timeUs, rank, entry);
	}
}

const sleepTimes = ({ start }: RunningReplica, level: SleepLevel): SleepTimes =>
	present(start.profile.sleep[level], `times of sleep level ${level} of ${start.model}`);

const NOTHING: readonly ExecutorEvent[] = Object.freeze([]);
