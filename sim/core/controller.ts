import { PolicyError, present } from '../domain/errors.ts';
import type { CallId, QueryId, ReplicaId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Action, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Answer, CallOutcome, Gate, Query } from '../domain/work.ts';
import { callEndRecord, cancelledWork } from './call-end-record.ts';
import { actionFault } from './check-action.ts';
import { ClusterState } from './cluster-state.ts';
import { asksScheduler, type CallWork, type Executor, type ExecutorEvent } from './executor.ts';
import { QueryVerdicts } from './query-verdicts.ts';
import { ReplicaOrders } from './replica-orders.ts';
import { createView } from './view.ts';

/** Says after the fact which answers were right. Never reachable from a view. */
export interface Judge {
	/** Null when no gold answer is known. */
	isCorrect(query: QueryId, answer: Answer): boolean | null;
	/** Whether sending this query to the aggregator with all its experts' answers would have been right; null when nobody can know. */
	aggregateAllCorrect(query: QueryId): boolean | null;
}

export interface ControllerParts {
	readonly setup: Pick<Setup, 'cluster' | 'models' | 'profiles' | 'aggregator' | 'aggregatorPrompt'>;
	readonly scheduler: Scheduler;
	readonly gate: Gate;
	readonly executor: Executor;
	readonly judge: Judge;
	readonly write: (record: RunRecord) => void;
	readonly onReplan: () => void;
}

/**
 * One run's control loop without a clock: happenings come in, the state changes, records are written, the scheduler decides, and its
 * actions are checked and handed to the executor. Simulated and live runs use this same object.
 */
export class Controller {
	readonly state: ClusterState;
	private readonly parts: ControllerParts;
	private readonly replicas: ReplicaOrders;
	private readonly verdicts: QueryVerdicts;
	private plan: Plan | null = null;
	private allArrived = false;
	private askAgain = false;

	constructor(parts: ControllerParts) {
		this.parts = parts;
		const { setup, gate, executor, judge, write } = parts;
		this.state = new ClusterState(setup.cluster, setup.models);
		this.replicas = new ReplicaOrders({ state: this.state, profiles: setup.profiles, executor, write });
		this.verdicts = new QueryVerdicts({ state: this.state, setup, gate, judge, write });
	}

	setPlan(made: Plan, nowUs: TimeUs): void {
		const plan = this.plan === null ? made : { ...made, revision: (this.plan.revision ?? 0) + 1 };
		this.plan = plan;
		const { details: _, memory: __, ...logged } = plan;
		this.parts.write({ type: 'plan-made', timeUs: nowUs, plan: logged });
	}

	/** @param last true when no query arrives after this one */
	arrive(query: Query, nowUs: TimeUs, last: boolean): void {
		this.state.addQuery(query);
		this.allArrived = last;
		this.parts.write({
			type: 'query-arrived',
			timeUs: nowUs,
			query: query.id,
			task: query.task,
			slots: query.slots,
		});
	}

	/** Applies what happened. @returns whether the caller then lets the scheduler `decide` */
	apply(event: ExecutorEvent): boolean {
		switch (event.kind) {
			case 'engine-active':
				this.parts.write({
					type: 'engine-active',
					timeUs: event.timeUs,
					replica: event.replica,
					active: event.active,
				});
				break;
			case 'engine-sample': {
				const { kind: _, ...sample } = event;
				this.parts.write({ type: 'engine-sample', ...sample });
				break;
			}
			case 'replica-awake':
				if (!this.isStopping(event.replica)) this.replicas.enter(event.replica, 'awake', event.timeUs);
				break;
			case 'replica-asleep':
				this.replicas.enter(event.replica, event.level === 1 ? 'asleep-1' : 'asleep-2', event.timeUs);
				break;
			case 'replica-stopped':
				this.replicas.enter(event.replica, 'stopped', event.timeUs);
				break;
			case 'replica-failed':
				this.replicas.enter(event.replica, 'failed', event.timeUs, event.reason);
				break;
			case 'replica-restarting':
				if (!this.isStopping(event.replica))
					this.replicas.enter(event.replica, 'loading', event.timeUs, event.reason);
				break;
			case 'call-returned':
				this.takeBack(event);
				break;
			case 'call-migrated':
				this.noteMove(event);
				break;
			case 'call-parked':
				return this.notePark(event);
			case 'call-ended':
				this.endCall(event.call, event.outcome, event.work, event.timeUs, event.replica);
				break;
		}
		return asksScheduler(event);
	}

	/**
	 * Asks the scheduler and carries its actions out.
	 * @throws PolicyError on an action that is not allowed
	 */
	decide(nowUs: TimeUs): void {
		const { scheduler, setup, gate } = this.parts;
		const plan = present(this.plan, 'plan');
		do {
			this.askAgain = false;
			const view = createView(this.state, setup.profiles, nowUs, plan, this.allArrived, gate);
			for (const action of scheduler.decide(view)) {
				const fault = actionFault(this.state, setup.profiles, action);
				if (fault !== null) throw new PolicyError(scheduler.name, `${action.type}: ${fault}`);
				this.perform(action, nowUs);
			}
		} while (this.askAgain);
	}

	private perform(action: Action, nowUs: TimeUs): void {
		const { executor } = this.parts;
		switch (action.type) {
			case 'start':
				this.replicas.start(action, nowUs);
				break;
			case 'stop':
				this.replicas.stop(action.replica, nowUs);
				break;
			case 'sleep':
				this.replicas.sleep(action, nowUs);
				break;
			case 'wake':
				this.replicas.wake(action.replica, nowUs);
				break;
			case 'dispatch':
				this.dispatch(action, nowUs);
				break;
			case 'migrate': {
				const record = this.state.call(action.call);
				this.state.leaveReplica(record, false);
				this.state.enterReplica(record, action.replica, nowUs);
				executor.migrate(action.call, action.replica);
				break;
			}
			case 'park': {
				const record = this.state.call(action.call);
				this.state.leaveReplica(record, false);
				// Pending only when its executor has said with how many tokens.
				record.state = 'parking';
				executor.park(action.call);
				break;
			}
			case 'cancel': {
				const record = this.state.call(action.call);
				// A dispatched call ends when the executor says so: its last tokens may be on their way. So does one that leaves its replica.
				if (record.state === 'dispatched' || record.state === 'parking') {
					record.state = 'cancelling';
					executor.cancel(action.call);
				} else {
					// It ends here and now; no event will follow that would ask the scheduler what comes of it.
					const { carriedTokens } = record;
					const work = carriedTokens === 0 ? null : cancelledWork(nowUs, carriedTokens);
					if (record.isKept) executor.cancel(action.call);
					this.endCall(action.call, { kind: 'cancelled' }, work, nowUs, null);
					this.askAgain = true;
				}
				break;
			}
			case 'settle':
				this.verdicts.settleByVote(action.query, nowUs);
				break;
			case 'replan':
				this.parts.onReplan();
				break;
		}
	}

	private dispatch(action: Extract<Action, { type: 'dispatch' }>, nowUs: TimeUs): void {
		const record = this.state.call(action.call);
		const { id, query, role, model, promptTokens, maxOutputTokens } = record.call;
		record.state = 'dispatched';
		record.isKept = false;
		record.limitTokens = Math.min(maxOutputTokens, Math.floor(action.maxOutputTokens ?? maxOutputTokens));
		this.state.pending.remove(record.call);
		this.state.enterReplica(record, action.replica, nowUs);
		const isCut = record.limitTokens < maxOutputTokens;
		this.parts.write({
			type: 'call-dispatched',
			timeUs: nowUs,
			call: id,
			query,
			role,
			model,
			replica: action.replica,
			promptTokens,
			...(isCut && { cutTokens: record.limitTokens }),
		});
		const call = isCut ? { ...record.call, maxOutputTokens: record.limitTokens } : record.call;
		this.parts.executor.dispatch(call, action.replica);
	}

	private noteMove(event: Extract<ExecutorEvent, { kind: 'call-migrated' }>): void {
		const { kind, timeUs, call, from, replica, outputTokens } = event;
		const record = this.state.call(call);
		const { query, role, model } = record.call;
		record.carriedTokens = outputTokens;
		this.parts.write({ type: kind, timeUs, call, query, role, model, replica, outputTokens, from });
	}

	/** @returns whether the scheduler is to be asked: when that is the call's end, as it was cancelled meanwhile */
	private notePark(event: Extract<ExecutorEvent, { kind: 'call-parked' }>): boolean {
		const { kind, timeUs, call: id, replica, outputTokens } = event;
		const record = this.state.call(id);
		const { query, role, model } = record.call;
		record.carriedTokens = outputTokens;
		if (record.state === 'cancelling') {
			this.endCall(id, { kind: 'cancelled' }, cancelledWork(timeUs, outputTokens), timeUs, replica);
			return true;
		}
		record.state = 'pending';
		record.isKept = true;
		this.state.pending.add(record.call, this.state.answersOf(query));
		this.parts.write({ type: kind, timeUs, call: id, query, role, model, replica, outputTokens });
		return false;
	}

	/** What was on its way when its stop was ordered changes nothing any more: that it has stopped, or failed, comes next. */
	private isStopping(id: ReplicaId): boolean {
		return this.state.replica(id).state === 'stopping';
	}

	/** A call that nobody serves any more: pending again, or at its end when it was being cancelled anyway. */
	private takeBack({
		call: id,
		replica: replicaId,
		reason,
		outputTokens,
		timeUs,
	}: Extract<ExecutorEvent, { kind: 'call-returned' }>): void {
		const record = this.state.call(id);
		const { query, role, model } = record.call;
		if (record.state === 'cancelling') {
			this.endCall(id, { kind: 'cancelled' }, cancelledWork(timeUs, outputTokens), timeUs, replicaId);
			return;
		}
		if (record.replica !== null) this.state.leaveReplica(record, false);
		record.state = 'pending';
		record.carriedTokens = 0;
		this.state.pending.add(record.call, this.state.answersOf(query));
		this.parts.write({
			type: 'call-returned',
			timeUs,
			call: id,
			query,
			role,
			model,
			replica: replicaId,
			reason,
			outputTokens,
		});
	}

	/** @param servedBy the replica that it ended on; null when it was on none: never dispatched, or parked */
	private endCall(
		id: CallId,
		outcome: CallOutcome,
		work: CallWork | null,
		nowUs: TimeUs,
		servedBy: ReplicaId | null,
	): void {
		const record = this.state.call(id);
		const { call } = record;
		if (record.state === 'pending') this.state.pending.remove(call);
		record.state = outcome.kind;
		if (outcome.kind === 'finished') record.outputTokens = outcome.outputTokens;
		if (servedBy !== null) this.state.endsOn(record, servedBy);
		if (work !== null) this.state.notePace(servedBy, record, work, nowUs);
		if (record.replica !== null) this.state.leaveReplica(record, true);
		this.parts.write(callEndRecord(call, servedBy, outcome, work, nowUs));
		this.verdicts.callEnded(record, outcome, nowUs);
	}
}
