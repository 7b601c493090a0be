import { PolicyError, present } from '../domain/errors.ts';
import type { CallId, QueryId, ReplicaId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Action, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Answer, CallOutcome, Gate, GateDecision, Query } from '../domain/work.ts';
import { aggregatorPromptTokens } from './aggregator-prompt.ts';
import { callEndRecord, cancelledWork } from './call-end-record.ts';
import { actionFault } from './check-action.ts';
import { ClusterState, type QueryRecord } from './cluster-state.ts';
import type { CallWork, Executor, ExecutorEvent } from './executor.ts';
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
	private plan: Plan | null = null;
	private allArrived = false;
	private askAgain = false;

	constructor(parts: ControllerParts) {
		this.parts = parts;
		const { setup, executor, write } = parts;
		this.state = new ClusterState(setup.cluster, setup.models);
		this.replicas = new ReplicaOrders({ state: this.state, profiles: setup.profiles, executor, write });
	}

	setPlan(plan: Plan, nowUs: TimeUs): void {
		this.plan = plan;
		const { details: _, ...logged } = plan;
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

	/** Applies what happened. The caller then lets the scheduler `decide`, if `asksScheduler` says so. */
	apply(event: ExecutorEvent): void {
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
			case 'call-ended':
				this.endCall(event.call, event.outcome, event.work, event.timeUs);
				break;
		}
	}

	/**
	 * Asks the scheduler and carries its actions out.
	 * @throws PolicyError on an action that is not allowed
	 */
	decide(nowUs: TimeUs): void {
		const { scheduler, setup } = this.parts;
		const plan = present(this.plan, 'plan');
		do {
			this.askAgain = false;
			const view = createView(this.state, setup.profiles, nowUs, plan, this.allArrived);
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
			case 'dispatch': {
				const record = this.state.call(action.call);
				const replica = this.state.replica(action.replica);
				record.state = 'dispatched';
				record.replica = replica.id;
				replica.openCalls++;
				replica.dispatched[record.call.role]++;
				this.state.pending.remove(record.call);
				const { id, query, role, model, promptTokens } = record.call;
				this.parts.write({
					type: 'call-dispatched',
					timeUs: nowUs,
					call: id,
					query,
					role,
					model,
					replica: replica.id,
					promptTokens,
				});
				executor.dispatch(record.call, replica.id);
				break;
			}
			case 'cancel': {
				const record = this.state.call(action.call);
				// A dispatched call ends when the executor says so: its last tokens may be on their way.
				if (record.state === 'dispatched') {
					record.state = 'cancelling';
					executor.cancel(action.call);
				} else {
					// It ends here and now; no event will follow that would ask the scheduler what comes of it.
					this.endCall(action.call, { kind: 'cancelled' }, null, nowUs);
					this.askAgain = true;
				}
				break;
			}
			case 'settle': {
				const record = this.state.query(action.query);
				this.settle(record, 'vote', record.decision.answer, nowUs);
				break;
			}
			case 'replan':
				this.parts.onReplan();
				break;
		}
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
		const replica = this.state.replica(replicaId);
		if (record.state === 'cancelling') {
			this.endCall(id, { kind: 'cancelled' }, cancelledWork(timeUs, outputTokens), timeUs);
			return;
		}
		record.state = 'pending';
		record.replica = null;
		replica.openCalls--;
		replica.dispatched[role]--;
		this.state.pending.add(record.call);
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

	private endCall(id: CallId, outcome: CallOutcome, work: CallWork | null, nowUs: TimeUs): void {
		const record = this.state.call(id);
		const { call, replica: replicaOrNull } = record;
		if (record.state === 'pending') this.state.pending.remove(call);
		record.state = outcome.kind;
		if (replicaOrNull !== null) this.state.replica(replicaOrNull).openCalls--;
		this.parts.write(callEndRecord(call, replicaOrNull, outcome, work, nowUs));
		const query = this.state.query(call.query);
		const answer = outcome.kind === 'finished' ? outcome.answer : null;
		if (call.role === 'aggregator') {
			this.settle(query, outcome.kind === 'finished' ? 'aggregator' : 'failure', answer, nowUs);
			return;
		}
		this.state.openExpertCalls--;
		query.answers[call.slotIndex] = answer;
		query.answerTokens[call.slotIndex] = outcome.kind === 'finished' ? outcome.answerTokens : 0;
		this.updateVerdict(query, nowUs);
	}

	/** Asks the gate again after an answer came; without an aggregator the vote is all there is. */
	private updateVerdict(record: QueryRecord, nowUs: TimeUs): void {
		if (record.settled || record.decision.verdict !== 'open') return;
		const { gate, setup } = this.parts;
		let decision: GateDecision = gate.decide(record.answers);
		if (decision.verdict === 'aggregate' && setup.aggregator === null)
			decision = { ...decision, verdict: 'accept' };
		record.decision = decision;
		if (decision.verdict === 'accept') this.state.acceptable.add(record.query.id);
		if (decision.verdict !== 'aggregate' || setup.aggregator === null) return;
		const promptTokens = aggregatorPromptTokens(setup.aggregatorPrompt, record.query, record.answerTokens);
		const call = this.state.addAggregatorCall(record, setup.aggregator.model, promptTokens);
		this.parts.write({
			type: 'aggregation-needed',
			timeUs: nowUs,
			query: record.query.id,
			call: call.id,
		});
	}

	private settle(
		record: QueryRecord,
		by: 'vote' | 'aggregator' | 'failure',
		answer: Answer,
		nowUs: TimeUs,
	): void {
		const { judge, write } = this.parts;
		const query = record.query.id;
		record.settled = true;
		this.state.acceptable.delete(query);
		this.state.openQueries--;
		write({
			type: 'query-settled',
			timeUs: nowUs,
			query,
			by,
			answer,
			correct: judge.isCorrect(query, answer),
			aggregateAllCorrect: judge.aggregateAllCorrect(query),
		});
	}
}
