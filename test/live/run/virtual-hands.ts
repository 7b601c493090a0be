/**
 * Hands and clock of a live run in virtual time: orders go to the simulated executor, and what comes of them comes back through the inbox.
 * Nothing here waits, so a live run takes milliseconds and always goes the same way.
 */

import type { LiveClock } from '../../../live/clock.ts';
import type { CallReply } from '../../../live/content.ts';
import type { CarriedCall, Happening, RestoredReplica } from '../../../live/happening.ts';
import type { HandsParts, LiveHands } from '../../../live/run/parts.ts';
import type { ExecutorEvent, ReplicaStart } from '../../../sim/core/executor.ts';
import { present } from '../../../sim/domain/errors.ts';
import type { CallId, ReplicaId } from '../../../sim/domain/ids.ts';
import type { SleepLevel } from '../../../sim/domain/model.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { type TimeUs, usFromSeconds } from '../../../sim/domain/units.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { createEngine } from '../../../sim/engine/index.ts';
import { EVENT_RANK, EventQueue } from '../../../sim/run/event-queue.ts';
import type { Pending } from '../../../sim/run/pending.ts';
import { SimulatedExecutor } from '../../../sim/run/simulated-executor.ts';
import type { ScriptedContent } from './scripted-content.ts';

interface Timer {
	readonly dueUs: TimeUs;
	readonly callback: () => void;
}

export class VirtualWorld {
	readonly queue = new EventQueue<Pending>();
	nowUs: TimeUs = 0;
	/** Every call that was sent to an engine, in order. */
	readonly sent: CallId[] = [];
	readonly started: ReplicaId[] = [];
	/** What it was told to take over. */
	restored: readonly RestoredReplica[] = [];
	parked: ReadonlyMap<CallId, CarriedCall> = new Map();
	closed = false;
	/** Happenings are stamped so much too early, as by a clock that was read before something else was. */
	readonly skewUs: TimeUs;
	private readonly setup: Setup;
	private readonly content: ScriptedContent;
	private timers: Timer[] = [];
	private hands: VirtualHands | null = null;

	constructor(setup: Setup, content: ScriptedContent, skewUs: TimeUs) {
		this.setup = setup;
		this.content = content;
		this.skewUs = skewUs;
	}

	startClock = (startUs: TimeUs): LiveClock => {
		this.nowUs = startUs;
		return {
			speed: 1,
			nowUs: () => this.nowUs,
			after: (delayUs, callback) => {
				const timer = { dueUs: this.nowUs + Math.round(delayUs), callback };
				this.timers.push(timer);
				return () => {
					this.timers = this.timers.filter((other) => other !== timer);
				};
			},
		};
	};

	createHands = (parts: HandsParts): LiveHands => {
		this.hands = new VirtualHands(this, this.setup, this.content, parts);
		return this.hands;
	};

	/** Moves the clock to the next moment and lets it happen. @returns false when nothing is left to happen */
	step(): boolean {
		const timer = this.timers.toSorted((a, b) => a.dueUs - b.dueUs)[0];
		const queueUs = this.queue.nextUs();
		if (timer !== undefined && timer.dueUs <= queueUs) {
			this.timers = this.timers.filter((other) => other !== timer);
			this.nowUs = Math.max(this.nowUs, timer.dueUs);
			timer.callback();
			return true;
		}
		const next = this.queue.pop();
		if (next === undefined) return false;
		this.nowUs = next.timeUs;
		present(this.hands, 'hands').take(next.value);
		return true;
	}
}

class VirtualHands implements LiveHands {
	private readonly world: VirtualWorld;
	private readonly content: ScriptedContent;
	private readonly setup: Setup;
	private readonly happened: (happening: Happening) => void;
	private readonly simulated: SimulatedExecutor;
	private readonly calls = new Map<CallId, Call>();
	private readonly ended = new Set<CallId>();

	constructor(world: VirtualWorld, setup: Setup, content: ScriptedContent, { happened }: HandsParts) {
		this.world = world;
		this.setup = setup;
		this.content = content;
		this.happened = ({ event, ...rest }) =>
			happened({ event: { ...event, timeUs: Math.max(0, event.timeUs - world.skewUs) }, ...rest });
		const slotCounts = new Map(setup.queries.map((query) => [query.id, query.slots.length]));
		this.simulated = new SimulatedExecutor({
			gpus: setup.cluster.gpus,
			truth: setup.truth,
			createEngine: (config, step) => createEngine(setup.engineMode, config, step),
			sampleUs: Math.max(1, usFromSeconds(setup.sampleSeconds)),
			queue: world.queue,
			nowUs: () => world.nowUs,
			slotCount: (call) => slotCounts.get(call.query) ?? 0,
		});
	}

	start(start: ReplicaStart): void {
		this.world.started.push(start.replica);
		this.simulated.start(start);
	}

	stop(replica: ReplicaId): void {
		this.simulated.stop(replica);
	}

	sleep(replica: ReplicaId, level: SleepLevel): void {
		this.simulated.sleep(replica, level);
	}

	wake(replica: ReplicaId): void {
		this.simulated.wake(replica);
	}

	/** One that has ended meanwhile, and was parked for all the controller knew, is left alone. */
	dispatch(call: Call, replica: ReplicaId): void {
		if (this.ended.has(call.id)) return;
		this.calls.set(call.id, call);
		this.world.sent.push(call.id);
		this.simulated.dispatch(call, replica);
	}

	/** A call that has ended meanwhile stays as it ended: its end is on its way to the inbox. */
	cancel(call: CallId): void {
		if (this.calls.has(call)) this.simulated.cancel(call);
	}

	park(call: CallId): void {
		if (this.calls.has(call)) this.simulated.park(call);
	}

	migrate(call: CallId, to: ReplicaId): void {
		if (this.calls.has(call)) this.simulated.migrate(call, to);
	}

	restore(replicas: readonly RestoredReplica[], parked: ReadonlyMap<CallId, CarriedCall>): void {
		const timeUs = this.world.nowUs;
		this.world.restored = replicas;
		this.world.parked = parked;
		for (const { start, state, openCalls, cancelling } of replicas) {
			for (const call of cancelling) {
				this.calls.set(call.id, call);
				const { replica } = start;
				this.later({
					kind: 'call-ended',
					timeUs,
					call: call.id,
					replica,
					outcome: { kind: 'cancelled' },
					work: null,
				});
			}
			if (state === 'stopping') {
				this.later({ kind: 'replica-stopped', timeUs, replica: start.replica });
				continue;
			}
			this.later({ kind: 'replica-restarting', timeUs, replica: start.replica, reason: 'restored' });
			this.start(start);
			// They wait in the simulated executor until the replica is up.
			for (const call of openCalls) this.dispatch(call, start.replica);
		}
	}

	snapshot() {
		return [];
	}

	async close(): Promise<void> {
		this.world.closed = true;
	}

	take(pending: Pending): void {
		switch (pending.kind) {
			case 'happening': {
				const event = this.simulated.happen(pending);
				if (event !== null) this.report(event);
				break;
			}
			case 'engine':
				for (const event of this.simulated.advance(pending.replica, pending.version)) this.report(event);
				break;
			case 'sample': {
				const event = this.simulated.sample(pending.replica);
				if (event !== null) this.report(event);
				break;
			}
		}
	}

	private later(event: ExecutorEvent): void {
		this.world.queue.push(this.world.nowUs, EVENT_RANK.replica, { kind: 'happening', event });
	}

	private report(event: ExecutorEvent): void {
		if (event.kind === 'call-ended') this.ended.add(event.call);
		if (event.kind !== 'call-ended' || event.outcome.kind !== 'finished') {
			if (event.kind === 'call-ended') this.calls.delete(event.call);
			const leaves = event.kind === 'call-migrated' || event.kind === 'call-parked';
			this.happened(leaves ? { event, carried: carriedBy(event) } : { event });
			return;
		}
		const call = present(this.calls.get(event.call), `call ${event.call}`);
		this.calls.delete(event.call);
		// The words decide, not the simulated executor: it has forgotten what experts said before a restart.
		const cut = event.outcome.finishReason === 'length';
		const said = cut
			? null
			: call.role === 'expert'
				? event.outcome.answer
				: this.setup.truth.query(call.query).aggregatorAnswer(this.content.answersOf(call));
		const reply: CallReply = {
			text: said ?? '',
			reasoningText: '',
			promptTokens: call.promptTokens,
			outputTokens: event.outcome.outputTokens,
			cachedPromptTokens: 0,
			finishReason: event.outcome.finishReason,
		};
		const { answer } = this.content.read(call, reply);
		this.happened({ event: { ...event, outcome: { ...event.outcome, answer } }, reply });
	}
}

/** Words stand for nothing here, only their number counts. */
const carriedBy = ({ outputTokens }: { readonly outputTokens: number }): CarriedCall => ({
	output: { promptTokenIds: [], tokenIds: Array<number>(outputTokens).fill(1), text: '', reasoningText: '' },
	recomputedTokens: 0,
	migrations: 1,
});
