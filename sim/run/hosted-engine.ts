import type { ExecutorEvent, ReplicaStart } from '../core/executor.ts';
import type { EngineEvent, EngineFactory, EngineModel, EngineRequest } from '../domain/engine.ts';
import type { CallId, GpuId } from '../domain/ids.ts';
import type { TimeUs } from '../domain/units.ts';
import { EngineClock } from './engine-clock.ts';
import { EVENT_RANK, type EventQueue, type EventRank } from './event-queue.ts';
import type { Pending, Untimed } from './pending.ts';
import type { GpuUser, SharedGpus } from './shared-gpus.ts';

/** What an engine needs of the world around it. */
export interface EngineHost {
	readonly createEngine: EngineFactory;
	/** Between two readings of its gauges. */
	readonly sampleUs: TimeUs;
	readonly queue: EventQueue<Pending>;
	readonly nowUs: () => TimeUs;
	readonly sharedGpus: SharedGpus<HostedEngine>;
	/** Reports what happens now; `rank` among what happens now, by default with the replicas. */
	readonly report: (event: Untimed<ExecutorEvent>, rank?: EventRank) => void;
}

/**
 * The engine of one replica in the time of the world: keeps its next moment in the event queue, says when it begins and ceases to execute
 * steps, and slows down while others execute steps on its GPUs. All times that go in and come out are the world's.
 */
export class HostedEngine implements GpuUser {
	readonly gpus: readonly GpuId[];
	private readonly start: ReplicaStart;
	/** Place among the replicas in order of start. */
	private readonly order: number;
	private readonly host: EngineHost;
	private readonly clock = new EngineClock();
	/** Made with the first request, and dropped with all it holds. */
	private engine: EngineModel | null = null;
	private scheduledUs: TimeUs = Number.POSITIVE_INFINITY;
	private scheduledRank: EventRank = EVENT_RANK.step;
	private version = 0;
	private isActive = false;
	/** A sample entry waits in the queue. */
	private isSampling = false;

	constructor(start: ReplicaStart, order: number, host: EngineHost) {
		this.gpus = start.gpus;
		this.start = start;
		this.order = order;
		this.host = host;
	}

	submit(requests: readonly EngineRequest[]): void {
		if (requests.length === 0) return;
		const { profile } = this.start;
		const nowUs = this.host.nowUs();
		this.engine ??= this.host.createEngine(profile.engine, profile.step);
		if (!this.isActive) this.clock.restart(nowUs);
		const engineUs = this.clock.engineUs(nowUs);
		for (const request of requests) this.engine.submit(request, engineUs);
		this.setActive(true);
		this.reschedule();
	}

	/** @returns output tokens that the call had */
	abort(call: CallId): number {
		if (this.engine === null) return 0;
		const outputTokens = this.engine.abort(call, this.clock.engineUs(this.host.nowUs())) ?? 0;
		this.reschedule();
		return outputTokens;
	}

	/** @param rank of the news that it computes no more */
	drop(rank?: EventRank): void {
		this.engine = null;
		this.reschedule(rank);
	}

	/**
	 * Lets the engine run up to now.
	 * @param version of the queue entry that asks for it
	 * @returns what ended, in order; nothing for an entry that became stale
	 */
	advance(version: number): readonly EngineEvent[] {
		if (this.engine === null || this.version !== version) return NOTHING;
		const nowUs = this.host.nowUs();
		const events = this.engine.advance(this.clock.engineUs(nowUs));
		this.scheduledUs = Number.POSITIVE_INFINITY;
		const seen = this.clock.isWorldTime ? events : events.map((event) => this.seen(event, nowUs));
		this.reschedule();
		return seen;
	}

	/** Reads the gauges of an engine that computes, or asks to be called at its next microsecond; then again a sampling interval later. */
	sample(): ExecutorEvent | null {
		this.isSampling = this.isActive && this.engine !== null;
		if (!this.isActive || this.engine === null) return null;
		const timeUs = this.host.nowUs();
		const engineUs = this.clock.engineUs(timeUs);
		const readableUs = this.clock.worldUs(engineUs);
		if (readableUs > timeUs) {
			this.sampleLater(readableUs - timeUs);
			return null;
		}
		this.sampleLater(this.host.sampleUs);
		const { running, waiting, usedBlocks, totalBlocks } = this.engine.gauges(engineUs);
		const { replica, profile } = this.start;
		const maxRunning = profile.engine.maxNumSeqs;
		return { kind: 'engine-sample', timeUs, replica, running, waiting, maxRunning, usedBlocks, totalBlocks };
	}

	private seen(event: EngineEvent, timeUs: TimeUs): EngineEvent {
		if (event.kind === 'rejected') return { ...event, timeUs };
		const startedUs = this.clock.worldUs(event.startedUs);
		const firstTokenUs = this.clock.worldUs(event.firstTokenUs);
		return { ...event, timeUs, startedUs, firstTokenUs };
	}

	private setActive(active: boolean, rank?: EventRank): void {
		if (this.isActive === active) return;
		this.isActive = active;
		this.host.report({ kind: 'engine-active', replica: this.start.replica, active }, rank);
		if (active && !this.isSampling) this.sampleLater(0);
		const { sharedGpus } = this.host;
		for (const user of active ? sharedGpus.begin(this) : sharedGpus.cease(this)) user.changeRate();
	}

	private changeRate(): void {
		const rate = this.host.sharedGpus.rate(this);
		if (this.clock.rate === rate) return;
		this.clock.setRate(rate, this.host.nowUs());
		this.reschedule();
	}

	private sampleLater(afterUs: TimeUs): void {
		this.isSampling = true;
		const entry: Pending = { kind: 'sample', replica: this.start.replica };
		this.host.queue.push(this.host.nowUs() + afterUs, EVENT_RANK.sample, entry);
	}

	/** Puts the engine's next moment into the queue, unless it stands there already. */
	private reschedule(restRank?: EventRank): void {
		const engineUs = this.engine?.nextUs() ?? Number.POSITIVE_INFINITY;
		const isAtRest = engineUs === Number.POSITIVE_INFINITY;
		if (isAtRest) this.setActive(false, restRank);
		const nextUs = isAtRest ? engineUs : this.clock.worldUs(engineUs);
		const rank = this.engine?.nextEndsSome() ? EVENT_RANK.engine : EVENT_RANK.step;
		if (nextUs === this.scheduledUs && rank === this.scheduledRank) return;
		this.scheduledUs = nextUs;
		this.scheduledRank = rank;
		this.version++;
		if (isAtRest) return;
		const entry: Pending = { kind: 'engine', replica: this.start.replica, version: this.version };
		this.host.queue.push(nextUs, rank, entry, this.order);
	}
}

const NOTHING: readonly EngineEvent[] = Object.freeze([]);
