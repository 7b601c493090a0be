/**
 * Hands and clock of a live run in virtual time: orders go to the simulated executor, and what comes of them comes back through the inbox.
 * Nothing here waits, so a live run takes milliseconds and always goes the same way.
 */

import type { LiveClock } from '../../../live/clock.ts';
import type { CallReply } from '../../../live/content.ts';
import {
	type CarriedCall,
	carriedTokens,
	type Happening,
	type RestoredReplica,
} from '../../../live/happening.ts';
import type { HandsParts, LiveHands } from '../../../live/run/parts.ts';
import { cancelledWork } from '../../../sim/core/call-end-record.ts';
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
import { TrueCalls } from '../../../sim/run/true-calls.ts';
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

	fail(replica: ReplicaId): void {
		this.hands?.fail(replica);
	}

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
		const hands = present(this.hands, 'hands');
		hands.take(next.value);
		// An executor tells in one breath what a replica gives back and that it has failed.
		while (this.queue.continuesWith(EVENT_RANK.failure)) {
			const also = this.queue.pop();
			if (also !== undefined) hands.take(also.value);
		}
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
	private readonly trueCalls: TrueCalls;
	/** Of calls that are to be dispatched again, from before the controller was killed. */
	private readonly parked = new Map<CallId, CarriedCall>();
	/** Of each call since it began anew. */
	private readonly moves = new Map<CallId, number>();

	constructor(world: VirtualWorld, setup: Setup, content: ScriptedContent, { happened }: HandsParts) {
		this.world = world;
		this.setup = setup;
		this.content = content;
		this.happened = ({ event, ...rest }) =>
			happened({ event: { ...event, timeUs: Math.max(0, event.timeUs - world.skewUs) }, ...rest });
		const slotCounts = new Map(setup.queries.map((query) => [query.id, query.slots.length]));
		this.trueCalls = new TrueCalls(setup.truth, (call) => slotCounts.get(call.query) ?? 0);
		this.simulated = new SimulatedExecutor({
			gpus: setup.cluster.gpus,
			createEngine: (config, step) => createEngine(setup.engineMode, config, step),
			sampleUs: Math.max(1, usFromSeconds(setup.sampleSeconds)),
			queue: world.queue,
			nowUs: () => world.nowUs,
			trueCalls: this.trueCalls,
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

	dispatch(call: Call, replica: ReplicaId): void {
		this.bring(call, this.parked.get(call.id));
		this.parked.delete(call.id);
		this.calls.set(call.id, call);
		this.world.sent.push(call.id);
		this.simulated.dispatch(call, replica);
	}

	/** A call that has ended meanwhile stays as it ended: its end is on its way to the inbox. */
	cancel(call: CallId): void {
		this.parked.delete(call);
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
		for (const [call, carried] of parked) this.parked.set(call, carried);
		for (const { start, state, openCalls, carried, cancelling } of replicas) {
			for (const call of cancelling) {
				this.calls.set(call.id, call);
				const { replica } = start;
				this.later({
					kind: 'call-ended',
					timeUs,
					call: call.id,
					replica,
					outcome: { kind: 'cancelled' },
					work: cancelledWork(timeUs, carriedTokens(carried.get(call.id))),
				});
			}
			if (state === 'stopping') {
				this.later({ kind: 'replica-stopped', timeUs, replica: start.replica });
				continue;
			}
			this.later({ kind: 'replica-restarting', timeUs, replica: start.replica, reason: 'restored' });
			this.start(start);
			// They wait in the simulated executor until the replica is up.
			for (const call of openCalls) {
				this.bring(call, carried.get(call.id));
				this.dispatch(call, start.replica);
			}
		}
	}

	/** The engine of a replica dies for good; nothing happens when there is none. */
	fail(replica: ReplicaId): void {
		if (this.world.started.includes(replica)) this.simulated.fail(replica, 'died', false);
	}

	/** What a call has with it from before. */
	private bring(call: Call, carried: CarriedCall | undefined): void {
		if (carried === undefined) return;
		this.trueCalls.carry(call, carriedTokens(carried));
		for (let move = 1; move < carried.migrations; move++) this.trueCalls.carry(call, 0);
		this.moves.set(call.id, carried.migrations);
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
		if (event.kind !== 'call-ended' || event.outcome.kind !== 'finished') {
			if (event.kind === 'call-ended') this.calls.delete(event.call);
			if (event.kind === 'call-returned') this.moves.delete(event.call);
			if (event.kind !== 'call-migrated' && event.kind !== 'call-parked') {
				this.happened({ event });
				return;
			}
			const migrations = 1 + (this.moves.get(event.call) ?? 0);
			this.moves.set(event.call, migrations);
			this.happened({ event, carried: carriedBy(event.outputTokens, migrations) });
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
const carriedBy = (outputTokens: number, migrations: number): CarriedCall => ({
	output: { promptTokenIds: [], tokenIds: Array<number>(outputTokens).fill(1), text: '', reasoningText: '' },
	recomputedTokens: 0,
	migrations,
});
