import type { CallRecord } from '../../sim/core/cluster-state.ts';
import { Controller, type Judge } from '../../sim/core/controller.ts';
import type { ExecutorEvent } from '../../sim/core/executor.ts';
import type { Remaining } from '../../sim/core/problem.ts';
import { remainingOf } from '../../sim/core/remaining.ts';
import type { CallId, ReplicaId } from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { ReplicaState, Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { Call, Gate } from '../../sim/domain/work.ts';
import { type CarriedCall, carriedTokens, type RestoredReplica } from '../happening.ts';
import type { JournalInput } from '../journal/records.ts';
import { Moves } from './moves.ts';
import { type Order, OrderBook } from './orders.ts';

export interface DecisionParts {
	readonly setup: Setup;
	readonly scheduler: Scheduler;
	readonly gate: Gate;
	readonly judge: Judge;
	readonly write: (record: RunRecord) => void;
}

/**
 * The controller of one run as a function of journalled inputs: each goes in, the orders that follow from it come out. It knows neither clock
 * nor processes, so a resumed run arrives at the state that its predecessor had by taking the same steps again.
 */
export class Decisions {
	/** The first one made, for plan.json. */
	firstPlan: Plan | null = null;
	arrivedQueries = 0;
	/** The scheduler wants another plan than the one it has. */
	replanAsked = false;
	lastUs: TimeUs = 0;
	/** Where open and parked calls are. */
	readonly moves = new Moves();
	private readonly setup: Setup;
	private readonly controller: Controller;
	private readonly book = new OrderBook();
	/** Replicas whose engine has open calls, as far as was reported. */
	private readonly active = new Set<ReplicaId>();

	constructor(parts: DecisionParts) {
		this.setup = parts.setup;
		this.controller = new Controller({
			...parts,
			executor: this.book,
			onReplan: () => {
				this.replanAsked = true;
			},
		});
	}

	/** @throws PolicyError when the scheduler orders what is not allowed */
	step(input: JournalInput): readonly Order[] {
		this.lastUs = input.timeUs;
		if (this.apply(input) && this.firstPlan !== null) this.controller.decide(input.timeUs);
		const orders = this.book.take();
		for (const order of orders) this.moves.note(order);
		for (const order of orders) if (order.kind === 'cancel') this.forgetIfOver(order.call);
		return orders;
	}

	get allArrived(): boolean {
		return this.arrivedQueries === this.setup.queries.length;
	}

	get settledQueries(): number {
		return this.arrivedQueries - this.controller.state.openQueries;
	}

	/** Nothing is on its way: without an arrival or a new plan, nothing will happen any more. */
	get isQuiet(): boolean {
		// What has become of a call that is to be parked is on its way.
		if (this.moves.isParking) return false;
		return [...this.controller.state.replicas.values()].every(
			({ state, open }) => AT_REST.has(state) && open.size === 0,
		);
	}

	/** What is left to plan. */
	remaining(nowUs: TimeUs): Remaining {
		return remainingOf(this.controller.state, this.arrivedQueries, nowUs);
	}

	/** Everything that an executor must take over from one that is gone. */
	restorable(): readonly RestoredReplica[] {
		const { replicas, calls } = this.controller.state;
		const open = [...calls.values()];
		const carried = this.moves.carried();
		return [...replicas.values()].flatMap(({ id, model, gpus, profile, state }): RestoredReplica[] => {
			if (state === 'stopped' || state === 'failed') return [];
			const mine = open.filter((record) => record.replica === id);
			const inState = (wanted: string) => mine.filter((each) => each.state === wanted).map(asDispatched);
			return [
				{
					start: { replica: id, model, gpus, profile },
					state,
					openCalls: inState('dispatched'),
					carried,
					cancelling: inState('cancelling'),
				},
			];
		});
	}

	/** What calls have with them that are parked or to be, and may be dispatched again. */
	parked(): ReadonlyMap<CallId, CarriedCall> {
		const { calls } = this.controller.state;
		const waits = (id: CallId) => ['pending', 'parking'].includes(calls.get(id)?.state ?? '');
		return new Map([...this.moves.carried()].filter(([id]) => waits(id)));
	}

	/** Calls that were sent to a replica whose failure was not known yet, and of which its executor had no time to say that they came back. */
	stranded(): readonly Pick<
		Extract<ExecutorEvent, { kind: 'call-returned' }>,
		'call' | 'replica' | 'outputTokens'
	>[] {
		const carried = this.moves.carried();
		return [...this.controller.state.calls.values()].flatMap(({ call, state, replica }) => {
			const isOpen = state === 'dispatched' || state === 'cancelling';
			if (!isOpen || replica === null || !this.isGone(replica)) return [];
			return [{ call: call.id, replica, outputTokens: carriedTokens(carried.get(call.id)) }];
		});
	}

	/** Engines that were last reported to have open calls. */
	activeReplicas(): readonly ReplicaId[] {
		return [...this.active];
	}

	call(id: CallId) {
		return this.controller.state.call(id).call;
	}

	/** One that was cancelled while it was parked, or about to be: no end of it is reported. */
	private forgetIfOver(call: CallId): void {
		if (this.controller.state.call(call).state === 'cancelled') this.moves.forget(call);
	}

	private isGone(replica: ReplicaId): boolean {
		const { state } = this.controller.state.replica(replica);
		return state === 'stopped' || state === 'failed';
	}

	/** @returns whether the scheduler should be asked */
	private apply(input: JournalInput): boolean {
		switch (input.kind) {
			case 'plan':
				this.controller.setPlan(input.plan, input.timeUs);
				this.firstPlan ??= input.plan;
				this.replanAsked = false;
				// Those that are due arrive next, and the scheduler is asked then.
				return (
					(this.setup.queries[this.arrivedQueries]?.arrivalUs ?? Number.POSITIVE_INFINITY) > input.timeUs
				);
			case 'arrivals':
				for (const query of this.setup.queries.slice(input.from, input.to)) {
					this.arrivedQueries++;
					this.controller.arrive(query, input.timeUs, this.allArrived);
				}
				return true;
			case 'happening': {
				const { happening } = input;
				const { event } = happening;
				this.moves.apply(happening);
				const asks = this.controller.apply(event);
				if (event.kind === 'call-parked') this.forgetIfOver(event.call);
				if (event.kind === 'engine-active') {
					if (event.active) this.active.add(event.replica);
					else this.active.delete(event.replica);
				}
				// One that was sent to a replica whose failure is known by now: nothing follows that would ask.
				return event.kind === 'call-returned' ? this.isGone(event.replica) : asks;
			}
		}
	}
}

/** With the limit that it was sent with. */
const asDispatched = ({ call, limitTokens }: CallRecord): Call =>
	limitTokens < call.maxOutputTokens ? { ...call, maxOutputTokens: limitTokens } : call;

const AT_REST: ReadonlySet<ReplicaState> = new Set(['awake', 'asleep-1', 'asleep-2', 'stopped', 'failed']);
