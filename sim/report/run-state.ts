/**
 * The state of a run while its log is read record by record: which replicas stand where, which queries are open, which
 * calls wait, which planned sessions have begun or ended. Just enough to say why a GPU does not compute.
 */
import {
	type CallId,
	expertCallId,
	type GpuId,
	type ModelId,
	type QueryId,
	type ReplicaId,
} from '../domain/ids.ts';
import type { PlannedSession } from '../domain/plan.ts';
import type {
	CallDispatched,
	CallMigrated,
	CallParked,
	CallReturned,
	PlanMade,
	QueryArrived,
	ReplicaChanged,
	RunRecord,
} from '../domain/run-log.ts';
import type { ReplicaState } from '../domain/scheduler.ts';
import type { TimeUs } from '../domain/units.ts';
import type { CallRole } from '../domain/work.ts';

export interface ReplicaStanding {
	readonly id: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	state: ReplicaState;
	/** Its engine executes steps. */
	active: boolean;
}

/** A planned session and what became of it. */
interface SessionProgress {
	readonly planned: PlannedSession;
	replica: ReplicaStanding | null;
	dispatched: number;
	open: number;
	/** Its replica was put to sleep or stopped. */
	gone: boolean;
}

interface CallStanding {
	readonly workKey: string;
	/** Aggregator calls that could run are counted apart, in `readyAggregations`, and stand here as ended. */
	place: 'pending' | 'dispatched' | 'ended';
	session: SessionProgress | null;
}

/** States in which a replica neither computes nor is about to. */
const GONE: ReadonlySet<ReplicaState> = new Set(['stopped', 'failed', 'asleep-1', 'asleep-2']);
const ENDS_SESSION: ReadonlySet<ReplicaState> = new Set([...GONE, 'stopping', 'falling-asleep']);

export class RunState {
	/** Queries that arrived and are not settled. */
	readonly openQueries = new Set<QueryId>();
	/** No replica has been started yet: all work waits for the plan. */
	beforeFirstReplica = true;
	private readonly replicas = new Map<ReplicaId, ReplicaStanding>();
	private readonly byGpu = new Map<GpuId, ReplicaStanding[]>();
	/** Replicas whose start on a GPU stands refused, and since when. */
	private readonly refused = new Map<GpuId, Map<ReplicaId, TimeUs>>();
	private readonly calls = new Map<CallId, CallStanding>();
	/** Calls that arrived, or came back, and wait to be dispatched, per role and model. */
	private readonly pendingCalls = new Map<string, number>();
	private readonly readyAggregations = new Set<CallId>();
	private sessions: readonly SessionProgress[] = [];
	/** Sessions may begin again when their replica has made room for others. */
	private openEnded = false;

	/** Records must come in log order. */
	apply(record: RunRecord): void {
		switch (record.type) {
			case 'plan-made':
				this.takePlan(record);
				return;
			case 'query-arrived':
				this.arrive(record);
				return;
			case 'query-settled':
				this.openQueries.delete(record.query);
				return;
			case 'replica-changed':
				this.changeReplica(record);
				return;
			case 'engine-active': {
				const replica = this.replicas.get(record.replica);
				if (replica !== undefined) replica.active = record.active;
				return;
			}
			case 'start-refused':
				for (const gpu of record.gpus)
					into(this.refused, gpu, () => new Map()).set(record.replica, record.timeUs);
				return;
			case 'aggregation-needed':
				this.readyAggregations.add(record.call);
				return;
			case 'call-dispatched':
				this.dispatch(record);
				return;
			case 'call-migrated':
				this.move(record);
				return;
			case 'call-parked':
			case 'call-returned':
				this.takeBack(record);
				return;
			case 'call-finished':
			case 'call-cancelled':
			case 'call-failed':
				this.end(record.call);
				return;
			default:
				return;
		}
	}

	/** Replicas on a GPU that are not stopped, in order of their first start. */
	replicasOn(gpu: GpuId): readonly ReplicaStanding[] {
		return this.byGpu.get(gpu) ?? [];
	}

	startRefused(gpu: GpuId): boolean {
		return (this.refused.get(gpu)?.size ?? 0) > 0;
	}

	/**
	 * Whether an aggregator call could run here and was not dispatched. A plan that names the aggregator's GPUs limits it to these; without one
	 * it could run anywhere.
	 */
	aggregationWaits(gpu: GpuId): boolean {
		if (this.readyAggregations.size === 0) return false;
		const planned = this.sessions.filter((session) => session.planned.role === 'aggregator' && !session.gone);
		return planned.length === 0 || planned.some((session) => session.planned.gpus.includes(gpu));
	}

	/**
	 * Whether a phase holds this GPU: it has a planned session that has not begun, and a session of a lower phase is
	 * unfinished on other GPUs. Takes all GPUs at once, because the unfinished sessions are the same for all of them.
	 */
	heldByPhase(gpus: readonly GpuId[]): ReadonlySet<GpuId> {
		const held = new Set<GpuId>();
		if (gpus.length === 0 || this.sessions.length === 0) return held;
		const unfinished = this.sessions.filter((session) => this.isUnfinished(session));
		for (const gpu of gpus) {
			let latestOwn = -1;
			let lowestElsewhere = Number.POSITIVE_INFINITY;
			for (const session of unfinished) {
				if (!session.planned.gpus.includes(gpu))
					lowestElsewhere = Math.min(lowestElsewhere, session.planned.phase);
				else if (session.replica === null) latestOwn = Math.max(latestOwn, session.planned.phase);
			}
			if (lowestElsewhere < latestOwn) held.add(gpu);
		}
		return held;
	}

	private isUnfinished(session: SessionProgress): boolean {
		if (session.gone) return false;
		const { role, model, calls } = session.planned;
		const pending = (this.pendingCalls.get(workKey(role, model)) ?? 0) > 0;
		if (session.replica === null) return pending;
		if (session.open > 0 || session.replica.state === 'loading' || session.replica.state === 'waking')
			return true;
		return pending && (calls === null || session.dispatched < calls);
	}

	private takePlan(record: PlanMade): void {
		this.openEnded = record.plan.openEnded ?? false;
		const inOrder = record.plan.sessions.toSorted((a, b) => a.phase - b.phase);
		// Phases of an open-ended plan hold nothing back.
		this.sessions = inOrder.map((planned) => notBegun(this.openEnded ? { ...planned, phase: 0 } : planned));
		// After a re-plan, replicas that run already serve the new plan's sessions.
		for (const replica of this.replicas.values()) {
			if (!ENDS_SESSION.has(replica.state)) this.bind(replica);
		}
	}

	/** The first planned session, by phase and then by place in the plan, that this replica can serve and nobody has begun. */
	private bind(replica: ReplicaStanding, role?: CallRole): SessionProgress | null {
		const session = this.sessions.find(
			({ planned, replica: taken }) =>
				taken === null &&
				planned.model === replica.model &&
				(role === undefined || planned.role === role) &&
				planned.gpus.length === replica.gpus.length &&
				planned.gpus.every((gpu) => replica.gpus.includes(gpu)),
		);
		if (session === undefined) return null;
		session.replica = replica;
		return session;
	}

	/** Unless it is brought up again after a failure, and serves its session still. */
	private bindAnew(replica: ReplicaStanding): void {
		if (!this.sessions.some((session) => session.replica === replica && !session.gone)) this.bind(replica);
	}

	/** The session of a replica that failed stands as if nobody had begun it: another may. */
	private unbind(replica: ReplicaStanding): void {
		this.sessions = this.sessions.map((session) =>
			session.replica === replica && !session.gone ? notBegun(session.planned) : session,
		);
	}

	private changeReplica(record: ReplicaChanged): void {
		this.beforeFirstReplica = false;
		const replica = into(this.replicas, record.replica, () => ({
			id: record.replica,
			model: record.model,
			gpus: record.gpus,
			state: 'stopped' as ReplicaState,
			active: false,
		}));
		replica.state = record.state;
		if (GONE.has(record.state) || record.state === 'loading') replica.active = false;
		if (record.state === 'loading' || record.state === 'waking') this.bindAnew(replica);
		if (record.state === 'failed' || (this.openEnded && ENDS_SESSION.has(record.state))) this.unbind(replica);
		else if (ENDS_SESSION.has(record.state)) {
			for (const session of this.sessions) if (session.replica === replica) session.gone = true;
		}
		for (const gpu of replica.gpus) {
			const here = into(this.byGpu, gpu, () => []);
			const at = here.indexOf(replica);
			if (record.state === 'stopped' && at >= 0) here.splice(at, 1);
			if (record.state !== 'stopped' && at < 0) here.push(replica);
			this.clearRefusals(gpu, record);
		}
	}

	/**
	 * A refusal stands until a replica changes on its GPU. That the refused one is written down as stopped at the same
	 * instant is part of the refusal, not a change.
	 */
	private clearRefusals(gpu: GpuId, record: ReplicaChanged): void {
		const refused = this.refused.get(gpu);
		if (refused === undefined) return;
		if (refused.get(record.replica) === record.timeUs && GONE.has(record.state)) return;
		refused.clear();
	}

	private arrive(record: QueryArrived): void {
		this.openQueries.add(record.query);
		record.slots.forEach((model, index) => {
			const key = workKey('expert', model);
			this.calls.set(expertCallId(record.query, index), { workKey: key, place: 'pending', session: null });
			this.pendingCalls.set(key, (this.pendingCalls.get(key) ?? 0) + 1);
		});
	}

	private dispatch(record: CallDispatched): void {
		this.readyAggregations.delete(record.call);
		const replica = this.replicas.get(record.replica);
		const call = into(this.calls, record.call, () => ({
			workKey: workKey(record.role, record.model),
			place: 'ended' as const,
			session: null,
		})) as CallStanding;
		if (call.place === 'pending') this.leavePending(call);
		if (call.place === 'dispatched' && call.session !== null) call.session.open--;
		call.place = 'dispatched';
		call.session = replica === undefined ? null : this.sessionOf(replica, record.role);
		if (call.session !== null) {
			call.session.dispatched++;
			call.session.open++;
		}
	}

	private sessionOf(replica: ReplicaStanding, role: CallRole): SessionProgress | null {
		const bound = this.sessions.find(
			(session) => session.replica === replica && session.planned.role === role && !session.gone,
		);
		return bound ?? this.bind(replica, role);
	}

	/** Its new replica's session has it now, and had it dispatched. */
	private move({ call: id, replica: to, role }: CallMigrated): void {
		const call = this.calls.get(id);
		if (call === undefined || call.place !== 'dispatched') return;
		if (call.session !== null) {
			call.session.open--;
			call.session.dispatched--;
		}
		const replica = this.replicas.get(to);
		call.session = replica === undefined ? null : this.sessionOf(replica, role);
		if (call.session === null) return;
		call.session.dispatched++;
		call.session.open++;
	}

	/** It is where it was before its dispatch: pending, or an aggregator call that could run. */
	private takeBack({ call: id, role }: CallReturned | CallParked): void {
		const call = this.calls.get(id);
		if (call === undefined || call.place !== 'dispatched') return;
		if (call.session !== null) {
			call.session.open--;
			call.session.dispatched--;
		}
		if (role === 'aggregator') {
			call.place = 'ended';
			this.readyAggregations.add(id);
			return;
		}
		call.place = 'pending';
		this.pendingCalls.set(call.workKey, (this.pendingCalls.get(call.workKey) ?? 0) + 1);
	}

	private end(id: CallId): void {
		this.readyAggregations.delete(id);
		const call = this.calls.get(id);
		if (call === undefined || call.place === 'ended') return;
		if (call.place === 'pending') this.leavePending(call);
		else if (call.session !== null) call.session.open--;
		call.place = 'ended';
	}

	private leavePending(call: CallStanding): void {
		this.pendingCalls.set(call.workKey, (this.pendingCalls.get(call.workKey) ?? 0) - 1);
	}
}

const notBegun = (planned: PlannedSession): SessionProgress => ({
	planned,
	replica: null,
	dispatched: 0,
	open: 0,
	gone: false,
});

const workKey = (role: CallRole, model: ModelId): string => `${role} ${model}`;

/** The value of `key`, made and put in first when it is missing. */
function into<K, V>(map: Map<K, V>, key: K, make: () => V): V {
	const there = map.get(key);
	if (there !== undefined) return there;
	const made = make();
	map.set(key, made);
	return made;
}
