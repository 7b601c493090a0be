/** A scheduler that does anything a scheduler may do, at random, and still finishes: for laws that hold under every policy. */
import { type RandomStream, randomStream, shuffle } from '../../sim/core/random.ts';
import {
	type CallId,
	type GpuId,
	type ModelId,
	type QueryId,
	type ReplicaId,
	replicaId,
} from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { Action, Problem, ReplicaView, Scheduler, View } from '../../sim/domain/scheduler.ts';
import type { Call, CallRole } from '../../sim/domain/work.ts';
import { emptyPlan } from './empty-plan.ts';
import { whole } from './random-setup.ts';

/** Starts, stops, sleeps, wakes and re-plans beyond what the work needs; after so many the policy only works. */
const WHIMS = 25;

export interface RandomWays {
	/** Starts replicas more often, of models that have work: where several fit on a GPU, they will meet there. */
	readonly sociable?: boolean;
	/** Gives up no call while its answer could matter, and cuts none below the gate's limit. */
	readonly loyal?: boolean;
}

export function randomPolicy(seed: number, ways: RandomWays = {}): Scheduler {
	return new RandomPolicy(randomStream(seed, 'policy'), randomStream(seed, 'moves'), ways);
}

class RandomPolicy implements Scheduler {
	readonly name = 'random';
	readonly takesCuts = true;
	private readonly random: RandomStream;
	/** For early votes, moves and cuts. */
	private readonly moves: RandomStream;
	private readonly seenQueries = new Set<QueryId>();
	private readonly cancelled = new Set<CallId>();
	private problem: Problem | null = null;
	private readonly sociable: boolean;
	private readonly loyal: boolean;
	private whimsLeft = WHIMS;
	private startedReplicas = 0;

	constructor(random: RandomStream, moves: RandomStream, { sociable = false, loyal = false }: RandomWays) {
		this.random = random;
		this.moves = moves;
		this.sociable = sociable;
		this.loyal = loyal;
	}

	async plan(problem: Problem): Promise<Plan> {
		this.problem = problem;
		return emptyPlan(this.name, this.chance(0.5) ? 0 : this.random() * 2);
	}

	decide(view: View): readonly Action[] {
		for (const { query } of this.pendingCalls(view)) this.seenQueries.add(query);
		const actions: Action[] = [];
		/** Each replica is told one kind of thing at a time: later actions must be legal after the earlier ones. */
		const touched = new Set<ReplicaId>();
		for (const query of view.acceptable) if (this.chance(0.7)) actions.push(...this.settle(view, query));
		for (const query of view.foreseen) if (this.moves() < 0.5) actions.push(...this.settle(view, query));
		for (const replica of view.replicas) {
			if (replica.state !== 'awake' || this.chance(0.2)) continue;
			for (const call of this.workFor(view, replica)) {
				if (!this.chance(0.6) || actions.some((action) => isAbout(action, call))) continue;
				actions.push(this.dispatch(view, call, replica.id));
				touched.add(replica.id);
			}
		}
		actions.push(...this.moveSome(view, actions, touched), ...this.parkOne(view, actions, touched));
		this.addWhims(view, actions, touched);
		return isUnderway(view) || actions.some(leadsToEvent) ? actions : this.nextStep(view);
	}

	private addWhims(view: View, actions: Action[], touched: Set<ReplicaId>): void {
		if (this.whimsLeft === 0 || !this.chance(0.4)) return;
		this.whimsLeft--;
		if (this.sociable && this.chance(0.35)) {
			const calls = this.pendingCalls(view);
			const call = calls[whole(this.random, 0, calls.length - 1)];
			if (call !== undefined) actions.push(this.start(view, call.model, this.someGpus(view)));
			return;
		}
		const whim = whole(this.random, 0, 4);
		if (whim === 0) actions.push(this.start(view, this.anyModel(), this.someGpus(view)));
		else if (whim === 1) actions.push(...(this.loyal ? [] : this.cancelAny(view, actions)));
		else if (whim === 2) actions.push({ type: 'replan' });
		else actions.push(...this.disturbAny(view, touched));
	}

	/** Nobody decides again after the last query: what is left of this one and waits has to end now, what runs may. */
	private settle(view: View, query: QueryId): Action[] {
		const { slots } = view.query(query);
		const left = slots
			.filter(
				({ state }) =>
					state === 'pending' || state === 'parking' || (state === 'dispatched' && this.moves() < 0.7),
			)
			.filter(({ call }) => !this.cancelled.has(call));
		for (const { call } of left) this.cancelled.add(call);
		return [{ type: 'settle', query }, ...left.map(({ call }): Action => ({ type: 'cancel', call }))];
	}

	private dispatch(view: View, call: Call, replica: ReplicaId): Action {
		// One that was parked may have said more than that.
		const maxOutputTokens = Math.max(this.someLimit(view, call), view.carriedTokens(call.id) + 1);
		return { type: 'dispatch', call: call.id, replica, maxOutputTokens };
	}

	private someLimit(view: View, call: Call): number {
		const draw = this.moves();
		if (draw < 0.4) return call.maxOutputTokens;
		return draw < 0.9 || this.loyal ? view.cutTokens(call) : whole(this.moves, 1, call.maxOutputTokens);
	}

	/** Only from where another call goes on, whose end will bring the next decision. */
	private parkOne(view: View, actions: readonly Action[], touched: Set<ReplicaId>): Action[] {
		for (const replica of view.replicas) {
			if (touched.has(replica.id) || this.moves() < 0.8) continue;
			const open = view.openOn(replica.id).filter(({ call }) => !actions.some((one) => isAbout(one, call)));
			const first = open[0]?.call;
			if (first === undefined || open.length < 2) continue;
			touched.add(replica.id);
			return [{ type: 'park', call: first.id }];
		}
		return [];
	}

	/** From one awake replica of a model to another. */
	private moveSome(view: View, actions: readonly Action[], touched: Set<ReplicaId>): Action[] {
		return view.replicas.flatMap((from) => {
			if (from.openCalls === 0 || this.moves() < 0.6) return [];
			const others = view.replicas.filter(
				({ id, model, state }) => id !== from.id && model === from.model && state === 'awake',
			);
			const target = others[whole(this.moves, 0, others.length - 1)];
			if (target === undefined) return [];
			return view.openOn(from.id).flatMap(({ call }): Action[] => {
				if (this.moves() < 0.5 || actions.some((action) => isAbout(action, call))) return [];
				touched.add(target.id).add(from.id);
				return [{ type: 'migrate', call: call.id, replica: target.id }];
			});
		});
	}

	/** Stops, puts to sleep or wakes a replica that has nothing to do. */
	private disturbAny(view: View, touched: ReadonlySet<ReplicaId>): Action[] {
		const free = view.replicas.filter(({ id, openCalls }) => openCalls === 0 && !touched.has(id));
		for (const { id: replica, state } of shuffle(free, this.random)) {
			if (state === 'awake' && this.chance(0.5))
				return [{ type: 'sleep', replica, level: this.chance(0.5) ? 1 : 2 }];
			if (state.startsWith('asleep') && this.chance(0.6)) return [{ type: 'wake', replica }];
			if (['loading', 'awake', 'asleep-1', 'asleep-2', 'waking'].includes(state))
				return [{ type: 'stop', replica }];
		}
		return [];
	}

	private cancelAny(view: View, actions: readonly Action[]): Action[] {
		const busy = new Set(actions.flatMap((action) => ('call' in action ? [action.call] : [])));
		const open = [...this.seenQueries].flatMap((id) => {
			const { slots, aggregatorCall, settled } = view.query(id);
			const experts = slots.filter(({ state }) => ['pending', 'dispatched', 'parking'].includes(state));
			return [
				...experts.map(({ call }) => call),
				...(aggregatorCall === null || settled ? [] : [aggregatorCall]),
			];
		});
		const cancellable = open.filter((call) => !busy.has(call) && !this.cancelled.has(call));
		const call = cancellable[whole(this.random, 0, cancellable.length - 1)];
		if (call === undefined) return [];
		this.cancelled.add(call);
		return [{ type: 'cancel', call }];
	}

	/** Brings the work nearer to its end, in a way that some later event follows from while there is work. */
	private nextStep(view: View): readonly Action[] {
		const settlements = [...view.acceptable, ...view.foreseen].flatMap((query) => this.settle(view, query));
		const [call] = this.pendingCalls(view);
		if (call === undefined) return settlements;
		const awake = view.replicas.find(({ model, state }) => model === call.model && state === 'awake');
		if (settlements.some((action) => isAbout(action, call))) return settlements;
		if (awake !== undefined) return [...settlements, this.dispatch(view, call, awake.id)];
		// Whatever else holds memory goes first, or the start could be refused for ever.
		const idle = view.replicas.find(({ state }) => state === 'awake' || state.startsWith('asleep'));
		if (idle !== undefined) return [...settlements, { type: 'stop', replica: idle.id }];
		return [...settlements, this.start(view, call.model, [this.anyGpu(view)])];
	}

	private pendingCalls(view: View): readonly Call[] {
		return this.problemNow().models.flatMap(({ id }) => [
			...view.pending(id, 'expert'),
			...view.pending(id, 'aggregator'),
		]);
	}

	private workFor(view: View, replica: ReplicaView): readonly Call[] {
		const roles: CallRole[] = this.chance(0.5) ? ['expert', 'aggregator'] : ['aggregator', 'expert'];
		const calls = roles.flatMap((role) => view.pending(replica.model, role));
		return this.chance(0.5) ? calls : shuffle([...calls], this.random);
	}

	/** GPUs of two types make no worker; one of them does. */
	private start(view: View, model: ModelId, gpus: readonly GpuId[]): Action {
		const own = view.profile(model, gpus) === undefined ? gpus.slice(0, 1) : gpus;
		return { type: 'start', replica: replicaId(`r${this.startedReplicas++}`), model, gpus: own };
	}

	private someGpus(view: View): readonly GpuId[] {
		const gpus = shuffle(
			view.cluster.gpus.map(({ id }) => id),
			this.random,
		);
		return gpus.slice(0, gpus.length >= 2 && this.chance(0.3) ? 2 : 1);
	}

	private anyGpu(view: View): GpuId {
		return this.someGpus(view)[0] as GpuId;
	}

	private anyModel(): ModelId {
		const { models } = this.problemNow();
		return (models[whole(this.random, 0, models.length - 1)] as (typeof models)[number]).id;
	}

	private problemNow(): Problem {
		if (this.problem === null) throw new Error('decide before plan');
		return this.problem;
	}

	private chance(share: number): boolean {
		return this.random() < share;
	}
}

const isAbout = (action: Action, call: Pick<Call, 'id'>): boolean =>
	'call' in action && action.call === call.id;

/** The others end without one, or may be refused. */
const leadsToEvent = ({ type }: Action): boolean => ['dispatch', 'stop', 'replan'].includes(type);

/** Whether something will happen without another action. */
const isUnderway = (view: View): boolean =>
	!view.allArrived ||
	view.replicas.some(
		({ state, openCalls }) =>
			openCalls > 0 || ['loading', 'waking', 'falling-asleep', 'stopping'].includes(state),
	);
