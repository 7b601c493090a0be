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
import { whole } from './random-setup.ts';

/** Starts, stops, sleeps, wakes and re-plans beyond what the work needs; after so many the policy only works. */
const WHIMS = 25;

/** @param sociable starts replicas more often, of models that have work: where several fit on a GPU, they will meet there */
export function randomPolicy(seed: number, sociable = false): Scheduler {
	return new RandomPolicy(randomStream(seed, 'policy'), sociable);
}

class RandomPolicy implements Scheduler {
	readonly name = 'random';
	private readonly random: RandomStream;
	private readonly seenQueries = new Set<QueryId>();
	private readonly cancelled = new Set<CallId>();
	private problem: Problem | null = null;
	private readonly sociable: boolean;
	private whimsLeft = WHIMS;
	private startedReplicas = 0;

	constructor(random: RandomStream, sociable: boolean) {
		this.random = random;
		this.sociable = sociable;
	}

	async plan(problem: Problem): Promise<Plan> {
		this.problem = problem;
		return {
			scheduler: this.name,
			sessions: [],
			evidence: {
				objectiveSeconds: 0,
				boundSeconds: null,
				gap: null,
				status: 'none',
				solveSeconds: this.chance(0.5) ? 0 : this.random() * 2,
				fallback: null,
				reproducible: true,
			},
			details: {},
		};
	}

	decide(view: View): readonly Action[] {
		for (const { query } of this.pendingCalls(view)) this.seenQueries.add(query);
		const actions: Action[] = [];
		/** Each replica is told one kind of thing at a time: later actions must be legal after the earlier ones. */
		const touched = new Set<ReplicaId>();
		for (const query of view.acceptable) if (this.chance(0.7)) actions.push({ type: 'settle', query });
		for (const replica of view.replicas) {
			if (replica.state !== 'awake' || this.chance(0.2)) continue;
			for (const call of this.workFor(view, replica)) {
				if (!this.chance(0.6) || actions.some((action) => isAbout(action, call))) continue;
				actions.push({ type: 'dispatch', call: call.id, replica: replica.id });
				touched.add(replica.id);
			}
		}
		this.addWhims(view, actions, touched);
		return isUnderway(view) || actions.some(leadsToEvent) ? actions : this.nextStep(view);
	}

	private addWhims(view: View, actions: Action[], touched: Set<ReplicaId>): void {
		if (this.whimsLeft === 0 || !this.chance(0.4)) return;
		this.whimsLeft--;
		if (this.sociable && this.chance(0.35)) {
			const calls = this.pendingCalls(view);
			const call = calls[whole(this.random, 0, calls.length - 1)];
			if (call !== undefined) actions.push(this.start(call.model, this.someGpus(view)));
			return;
		}
		const whim = whole(this.random, 0, 4);
		if (whim === 0) actions.push(this.start(this.anyModel(), this.someGpus(view)));
		else if (whim === 1) actions.push(...this.cancelAny(view, actions));
		else if (whim === 2) actions.push({ type: 'replan' });
		else actions.push(...this.disturbAny(view, touched));
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
		const dispatched = new Set(actions.map((action) => (action.type === 'dispatch' ? action.call : null)));
		const open = [...this.seenQueries].flatMap((id) => {
			const { slots, aggregatorCall, settled } = view.query(id);
			const experts = slots.filter(({ state }) => state === 'pending' || state === 'dispatched');
			return [
				...experts.map(({ call }) => call),
				...(aggregatorCall === null || settled ? [] : [aggregatorCall]),
			];
		});
		const cancellable = open.filter((call) => !dispatched.has(call) && !this.cancelled.has(call));
		const call = cancellable[whole(this.random, 0, cancellable.length - 1)];
		if (call === undefined) return [];
		this.cancelled.add(call);
		return [{ type: 'cancel', call }];
	}

	/** Brings the work nearer to its end, in a way that some later event follows from while there is work. */
	private nextStep(view: View): readonly Action[] {
		const settlements = view.acceptable.map((query): Action => ({ type: 'settle', query }));
		const [call] = this.pendingCalls(view);
		if (call === undefined) return settlements;
		const awake = view.replicas.find(({ model, state }) => model === call.model && state === 'awake');
		if (awake !== undefined) return [...settlements, { type: 'dispatch', call: call.id, replica: awake.id }];
		// Whatever else holds memory goes first, or the start could be refused for ever.
		const idle = view.replicas.find(({ state }) => state === 'awake' || state.startsWith('asleep'));
		if (idle !== undefined) return [...settlements, { type: 'stop', replica: idle.id }];
		return [...settlements, this.start(call.model, [this.anyGpu(view)])];
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

	private start(model: ModelId, gpus: readonly GpuId[]): Action {
		return { type: 'start', replica: replicaId(`r${this.startedReplicas++}`), model, gpus };
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

const isAbout = (action: Action, call: Call): boolean =>
	action.type === 'dispatch' && action.call === call.id;

/** The others end without one, or may be refused. */
const leadsToEvent = ({ type }: Action): boolean => ['dispatch', 'stop', 'replan'].includes(type);

/** Whether something will happen without another action. */
const isUnderway = (view: View): boolean =>
	!view.allArrived ||
	view.replicas.some(
		({ state, openCalls }) =>
			openCalls > 0 || ['loading', 'waking', 'falling-asleep', 'stopping'].includes(state),
	);
