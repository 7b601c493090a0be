import type { CallWork, Executor, ExecutorEvent, ReplicaStart } from '../core/executor.ts';
import type { EngineEvent, EngineFactory, EngineModel, EngineRequest } from '../domain/engine.ts';
import { assert, present } from '../domain/errors.ts';
import type { CallId, ReplicaId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { Truth } from '../domain/truth.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Answer, Call, CallOutcome } from '../domain/work.ts';
import { EVENT_RANK, type EventQueue, type EventRank } from './event-queue.ts';

/** What waits in the event queue. */
export type Pending =
	| { readonly kind: 'plan'; readonly plan: Plan }
	| { readonly kind: 'arrival' }
	/** `order` tells the outcome of an order to a replica that a later order overtook. */
	| { readonly kind: 'happening'; readonly event: ExecutorEvent; readonly order?: number }
	/** `version` tells an entry that a later submission made stale. */
	| { readonly kind: 'engine'; readonly replica: ReplicaId; readonly version: number }
	| { readonly kind: 'sample'; readonly replica: ReplicaId };

interface RunningReplica {
	readonly start: ReplicaStart;
	/** Null while there is no engine (loading, asleep, stopped). */
	engine: EngineModel | null;
	scheduledUs: TimeUs;
	scheduledRank: EventRank;
	/** Place among the replicas in order of start. */
	readonly order: number;
	version: number;
	/** Orders it was given (start, stop, sleep, wake). */
	orders: number;
	active: boolean;
	/** A sample entry waits in the queue. */
	sampling: boolean;
	readonly calls: Map<CallId, Call>;
}

export interface SimulatedWorld {
	readonly truth: Truth;
	readonly createEngine: EngineFactory;
	readonly sampleUs: TimeUs;
	readonly queue: EventQueue<Pending>;
	readonly nowUs: () => TimeUs;
	readonly slotCount: (call: Call) => number;
}

/** Turns the controller's orders into later events through the engine model. The only reader of true lengths and answers. */
export class SimulatedExecutor implements Executor {
	private readonly world: SimulatedWorld;
	private readonly replicas = new Map<ReplicaId, RunningReplica>();
	private readonly callReplica = new Map<CallId, ReplicaId>();
	/** Answers of each query's slots as far as they ended, for its aggregator. */
	private readonly answers = new Map<string, Answer[]>();

	constructor(world: SimulatedWorld) {
		this.world = world;
	}

	start(start: ReplicaStart): void {
		const replica: RunningReplica = {
			start,
			engine: null,
			scheduledUs: Number.POSITIVE_INFINITY,
			scheduledRank: EVENT_RANK.step,
			order: this.replicas.size,
			version: 0,
			orders: 0,
			active: false,
			sampling: false,
			calls: new Map(),
		};
		this.replicas.set(start.replica, replica);
		this.carryOut(replica, start.profile.loadUs, { kind: 'replica-awake', replica: start.replica });
	}

	stop(id: ReplicaId): void {
		const replica = this.replica(id);
		this.dropEngine(replica);
		this.carryOut(replica, replica.start.profile.stopUs, { kind: 'replica-stopped', replica: id });
	}

	sleep(id: ReplicaId, level: 1 | 2): void {
		const replica = this.replica(id);
		// Both levels drop the KV cache, so the engine that wakes is a new one.
		this.dropEngine(replica);
		this.carryOut(replica, replica.start.profile.sleepUs, { kind: 'replica-asleep', replica: id, level });
	}

	wake(id: ReplicaId): void {
		const replica = this.replica(id);
		this.carryOut(replica, replica.start.profile.wakeUs, { kind: 'replica-awake', replica: id });
	}

	dispatch(call: Call, id: ReplicaId): void {
		const replica = this.replica(id);
		const { profile } = replica.start;
		replica.engine ??= this.world.createEngine(profile.engine, profile.step);
		replica.calls.set(call.id, call);
		this.callReplica.set(call.id, id);
		replica.engine.submit(this.request(call), this.world.nowUs());
		this.setActive(replica, true);
		this.reschedule(replica);
	}

	/** The engine drops the call at once; its end is reported as an event of this same instant. */
	cancel(id: CallId): void {
		const replica = this.replica(present(this.callReplica.get(id), `replica of call ${id}`));
		const call = present(replica.calls.get(id), `call ${id}`);
		const nowUs = this.world.nowUs();
		const outputTokens = replica.engine?.abort(id, nowUs) ?? 0;
		replica.calls.delete(id);
		if (call.role === 'expert') this.remember(call, null);
		const { replica: replicaId } = replica.start;
		const work = cancelledWork(nowUs, outputTokens);
		this.happenLater(0, {
			kind: 'call-ended',
			call: id,
			replica: replicaId,
			outcome: { kind: 'cancelled' },
			work,
		});
		this.reschedule(replica);
	}

	/**
	 * Lets a replica's engine run up to now.
	 * @returns happenings in order, for the controller; empty for an entry that became stale
	 */
	advance(id: ReplicaId, version: number): readonly ExecutorEvent[] {
		const replica = this.replica(id);
		if (replica.engine === null || replica.version !== version) return NOTHING;
		const events = replica.engine.advance(this.world.nowUs());
		replica.scheduledUs = Number.POSITIVE_INFINITY;
		const happenings = events.length === 0 ? NOTHING : events.map((event) => this.ended(replica, event));
		this.reschedule(replica);
		return happenings;
	}

	/** Whether a replica was given another order since this one. */
	isOvertaken({ event, order }: Extract<Pending, { kind: 'happening' }>): boolean {
		return order !== undefined && 'replica' in event && this.replica(event.replica).orders !== order;
	}

	/** Reads the gauges of an engine that computes, and asks to be called again a sampling interval later. */
	sample(id: ReplicaId): ExecutorEvent | null {
		const replica = this.replica(id);
		replica.sampling = replica.active && replica.engine !== null;
		if (!replica.active || replica.engine === null) return null;
		const timeUs = this.world.nowUs();
		this.sampleLater(replica, this.world.sampleUs);
		const { running, waiting, usedBlocks, totalBlocks } = replica.engine.gauges(timeUs);
		const maxRunning = replica.start.profile.engine.maxNumSeqs;
		return {
			kind: 'engine-sample',
			timeUs,
			replica: id,
			running,
			waiting,
			maxRunning,
			usedBlocks,
			totalBlocks,
		};
	}

	private replica(id: ReplicaId): RunningReplica {
		return present(this.replicas.get(id), `replica ${id}`);
	}

	private request(call: Call): EngineRequest {
		const { truth } = this.world;
		const isExpert = call.role === 'expert';
		const outputTokens = isExpert
			? truth.call(call.id).outputTokens
			: truth.query(call.query).aggregatorOutputTokens;
		return {
			id: call.id,
			promptTokens: call.promptTokens,
			// Slots of one query that went to the same model have equal prompts; an aggregator's prompt is its own.
			promptSegments: [[isExpert ? call.query : call.id, 0, call.promptTokens]],
			outputTokens: Math.min(outputTokens, call.maxOutputTokens),
			endsByStop: outputTokens < call.maxOutputTokens,
			maxOutputTokens: call.maxOutputTokens,
			priority: 0,
		};
	}

	private ended(replica: RunningReplica, event: EngineEvent): ExecutorEvent {
		const call = present(replica.calls.get(event.id as CallId), `call ${event.id}`);
		replica.calls.delete(call.id);
		const common = {
			kind: 'call-ended',
			timeUs: event.timeUs,
			call: call.id,
			replica: replica.start.replica,
		} as const;
		if (event.kind === 'rejected') {
			if (call.role === 'expert') this.remember(call, null);
			return { ...common, outcome: { kind: 'failed', reason: event.reason }, work: null };
		}
		const { startedUs, firstTokenUs, cachedPromptTokens, recomputedTokens, preemptions, outputTokens } =
			event;
		return {
			...common,
			outcome: this.outcome(call, event),
			work: { startedUs, firstTokenUs, cachedPromptTokens, recomputedTokens, preemptions, outputTokens },
		};
	}

	/** What the model said: an output that was cut never got to its answer. */
	private outcome(call: Call, event: Extract<EngineEvent, { kind: 'finished' }>): CallOutcome {
		const { outputTokens, finishReason } = event;
		const cut = finishReason === 'length';
		if (call.role === 'aggregator') {
			const answers = this.answers.get(call.query) ?? [];
			const answer = cut ? null : this.world.truth.query(call.query).aggregatorAnswer(answers);
			return { kind: 'finished', outputTokens, answerTokens: 0, finishReason, answer };
		}
		const truth = this.world.truth.call(call.id);
		const answer = cut ? null : truth.answer;
		this.remember(call, answer);
		const answerTokens = Math.min(truth.answerTokens, outputTokens);
		return { kind: 'finished', outputTokens, answerTokens, finishReason, answer };
	}

	private remember(call: Call, answer: Answer): void {
		let answers = this.answers.get(call.query);
		if (answers === undefined) {
			answers = Array<Answer>(this.world.slotCount(call)).fill(null);
			this.answers.set(call.query, answers);
		}
		assert(call.slotIndex >= 0 && call.slotIndex < answers.length, `slot of call ${call.id}`);
		answers[call.slotIndex] = answer;
	}

	private setActive(replica: RunningReplica, active: boolean): void {
		if (replica.active === active) return;
		replica.active = active;
		const { replica: id } = replica.start;
		this.happenLater(0, { kind: 'engine-active', replica: id, active });
		if (active && !replica.sampling) this.sampleLater(replica, 0);
	}

	private dropEngine(replica: RunningReplica): void {
		replica.engine = null;
		this.reschedule(replica);
	}

	private sampleLater(replica: RunningReplica, afterUs: TimeUs): void {
		replica.sampling = true;
		const entry: Pending = { kind: 'sample', replica: replica.start.replica };
		this.world.queue.push(this.world.nowUs() + afterUs, EVENT_RANK.sample, entry);
	}

	/** Puts the engine's next moment into the queue, unless it stands there already. */
	private reschedule(replica: RunningReplica): void {
		const nextUs = replica.engine?.nextUs() ?? Number.POSITIVE_INFINITY;
		if (nextUs === Number.POSITIVE_INFINITY) this.setActive(replica, false);
		const rank = replica.engine?.nextEndsSome() ? EVENT_RANK.engine : EVENT_RANK.step;
		if (nextUs === replica.scheduledUs && rank === replica.scheduledRank) return;
		replica.scheduledUs = nextUs;
		replica.scheduledRank = rank;
		replica.version++;
		if (nextUs === Number.POSITIVE_INFINITY) return;
		const { replica: id } = replica.start;
		const entry: Pending = { kind: 'engine', replica: id, version: replica.version };
		this.world.queue.push(nextUs, rank, entry, replica.order);
	}

	/** The outcome of an order to a replica, unless another order comes first: a stop overtakes a load. */
	private carryOut(replica: RunningReplica, afterUs: TimeUs, event: WithoutTime<ExecutorEvent>): void {
		this.happenLater(afterUs, event, ++replica.orders);
	}

	private happenLater(afterUs: TimeUs, event: WithoutTime<ExecutorEvent>, order?: number): void {
		const timeUs = this.world.nowUs() + afterUs;
		this.world.queue.push(timeUs, EVENT_RANK.replica, {
			kind: 'happening',
			event: { ...event, timeUs } as ExecutorEvent,
			...(order === undefined ? {} : { order }),
		});
	}
}

type WithoutTime<T> = T extends unknown ? Omit<T, 'timeUs'> : never;

const NOTHING: readonly ExecutorEvent[] = Object.freeze([]);

const cancelledWork = (nowUs: TimeUs, outputTokens: number): CallWork => ({
	startedUs: nowUs,
	firstTokenUs: nowUs,
	cachedPromptTokens: 0,
	recomputedTokens: 0,
	preemptions: 0,
	outputTokens,
});
