import { PolicyError, present } from '../domain/errors.ts';
import type { CallId, QueryId, ReplicaId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Action, ReplicaState, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Answer, CallOutcome, Gate, GateDecision, Query } from '../domain/work.ts';
import { aggregatorPromptTokens } from './aggregator-prompt.ts';
import { callEndRecord } from './call-end-record.ts';
import { actionFault } from './check-action.ts';
import { ClusterState, enterState, type QueryRecord, type ReplicaRecord } from './cluster-state.ts';
import type { CallWork, Executor, ExecutorEvent } from './executor.ts';
import { createView, profileOn } from './view.ts';

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
	private plan: Plan | null = null;
	private allArrived = false;
	private askAgain = false;

	constructor(parts: ControllerParts) {
		this.parts = parts;
		this.state = new ClusterState(parts.setup.cluster, parts.setup.models);
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

	/** Applies what happened. The caller then lets the scheduler `decide`, unless only the engine's gauges moved. */
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
				this.setReplicaState(event.replica, 'awake', event.timeUs);
				break;
			case 'replica-asleep':
				this.setReplicaState(event.replica, event.level === 1 ? 'asleep-1' : 'asleep-2', event.timeUs);
				break;
			case 'replica-stopped':
				this.setReplicaState(event.replica, 'stopped', event.timeUs);
				break;
			case 'replica-failed':
				this.setReplicaState(event.replica, 'failed', event.timeUs, event.reason);
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
				this.start(action, nowUs);
				break;
			case 'stop':
				this.setReplicaState(action.replica, 'stopping', nowUs);
				executor.stop(action.replica);
				break;
			case 'sleep':
				this.setReplicaState(action.replica, 'falling-asleep', nowUs);
				executor.sleep(action.replica, action.level);
				break;
			case 'wake':
				this.wake(action.replica, nowUs);
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

	private start(action: Extract<Action, { type: 'start' }>, nowUs: TimeUs): void {
		const { setup, executor } = this.parts;
		const profile = present(
			profileOn(this.state, setup.profiles, action.model, action.gpus),
			`profile of ${action.model}`,
		);
		const { replica: id, model, gpus } = action;
		if (this.refuses({ id, model, gpus }, profile.gpuBytesPerGpu, nowUs)) return;
		this.state.replicas.set(id, {
			id,
			model,
			gpus,
			profile,
			state: 'stopped',
			heldGpuBytes: 0,
			openCalls: 0,
			dispatched: { expert: 0, aggregator: 0 },
		});
		this.setReplicaState(id, 'loading', nowUs);
		executor.start({ replica: id, model, gpus, profile });
	}

	private wake(id: ReplicaId, nowUs: TimeUs): void {
		const record = this.state.replica(id);
		const neededBytes = record.profile.gpuBytesPerGpu - record.heldGpuBytes;
		if (this.refuses(record, neededBytes, nowUs)) return;
		this.setReplicaState(id, 'waking', nowUs);
		this.parts.executor.wake(id);
	}

	/** Whether an engine cannot come up on these GPUs now; that it was refused is logged. */
	private refuses(
		{ id, model, gpus }: Pick<ReplicaRecord, 'id' | 'model' | 'gpus'>,
		neededBytes: number,
		nowUs: TimeUs,
	): boolean {
		const reason = this.state.startRefusal(gpus, neededBytes);
		if (reason !== null)
			this.parts.write({ type: 'start-refused', timeUs: nowUs, replica: id, model, gpus, reason });
		return reason !== null;
	}

	private setReplicaState(id: ReplicaId, state: ReplicaState, nowUs: TimeUs, reason?: string): void {
		const record = this.state.replica(id);
		enterState(record, state);
		this.parts.write({
			type: 'replica-changed',
			timeUs: nowUs,
			replica: id,
			model: record.model,
			gpus: record.gpus,
			state,
			...(reason === undefined ? {} : { reason }),
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
