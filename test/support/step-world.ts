/**
 * The controller on an executor without durations: every order is answered one tick later, and replicas fail where the test says. For what
 * a scheduler does when things go wrong, which the simulator never lets happen.
 */
import { Controller } from '../../sim/core/controller.ts';
import type { Executor, ExecutorEvent } from '../../sim/core/executor.ts';
import type { CallId, ReplicaId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Problem, Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Call, CallOutcome, Gate } from '../../sim/domain/work.ts';

export interface Mishaps {
	/** Replicas that fail instead of becoming awake. */
	readonly failToLoad?: readonly string[];
	/** Replicas that fail, with all they run, when they have been given calls. */
	readonly failAtWork?: readonly string[];
	/** Replicas that die when they have been given calls, and give back all that they run. */
	readonly returnAtWork?: readonly string[];
	readonly failedCalls?: readonly string[];
}

export interface StepRun {
	readonly records: readonly RunRecord[];
	readonly openQueries: number;
	/** Ids of the replicas started, in order. */
	readonly started: readonly string[];
	/** Calls given to each replica. */
	readonly served: Readonly<Record<string, number>>;
	/** Calls that finished on each replica. */
	readonly finished: Readonly<Record<string, number>>;
	/** `start s0-a`, `stop s0-a` and the like, in order, from the log. */
	readonly story: readonly string[];
}

const MAX_TICKS = 10_000;

export async function runInSteps(
	setup: Setup,
	problem: Problem,
	scheduler: Scheduler,
	gate: Gate,
	mishaps: Mishaps = {},
): Promise<StepRun> {
	const inbox = new Inbox();
	const records: RunRecord[] = [];
	const executor = mishapExecutor(inbox, mishaps);
	const controller = new Controller({
		setup,
		scheduler,
		gate,
		executor,
		judge: { isCorrect: () => null, aggregateAllCorrect: () => null },
		write: (record) => records.push(record),
		onReplan: () => undefined,
	});
	controller.setPlan(await scheduler.plan(problem), 0);
	setup.queries.forEach((query, index) => {
		controller.arrive(query, 0, index === setup.queries.length - 1);
	});
	controller.decide(0);
	for (let tick = 1; tick < MAX_TICKS; tick++) {
		const next = inbox.take();
		for (const event of next?.(tick) ?? []) controller.apply(event);
		const recordsBefore = records.length;
		controller.decide(tick);
		// A cancelled call that was never started ends without an event, and what follows from it must still be decided.
		if (next === undefined && records.length === recordsBefore) break;
	}
	const changes = records.filter((record) => record.type === 'replica-changed');
	const countByReplica = (type: 'call-dispatched' | 'call-finished'): Record<string, number> => {
		const counts: Record<string, number> = {};
		for (const record of records)
			if (record.type === type) counts[record.replica] = (counts[record.replica] ?? 0) + 1;
		return counts;
	};
	return {
		records,
		openQueries: controller.state.openQueries,
		started: changes.filter(({ state }) => state === 'loading').map(({ replica }) => replica),
		served: countByReplica('call-dispatched'),
		finished: countByReplica('call-finished'),
		story: changes
			.filter(({ state }) => state !== 'stopping')
			.map(({ replica, state }) => `${replica} ${state}`),
	};
}

/** What happens in one tick, before the scheduler is asked. */
type Happening = (timeUs: number) => readonly ExecutorEvent[];

/** Replicas take turns: what happens to one, in order, and all of them side by side. */
class Inbox {
	private readonly queues = new Map<ReplicaId, Happening[]>();

	put(replica: ReplicaId, happening: Happening): void {
		const queue = this.queues.get(replica) ?? [];
		queue.push(happening);
		this.queues.set(replica, queue);
	}

	take(): Happening | undefined {
		for (const [replica, queue] of this.queues) {
			const next = queue.shift();
			// To the end of the line, which a Map keeps in order of insertion.
			this.queues.delete(replica);
			if (queue.length > 0) this.queues.set(replica, queue);
			if (next !== undefined) return next;
		}
		return undefined;
	}
}

function mishapExecutor(
	inbox: Inbox,
	{ failToLoad = [], failAtWork = [], returnAtWork = [], failedCalls = [] }: Mishaps,
): Executor {
	const running = new Map<ReplicaId, CallId[]>();
	const end = (call: CallId, replica: ReplicaId, outcome: CallOutcome): void => {
		const noTime = { startedUs: 0, firstTokenUs: 0 };
		const work = {
			...noTime,
			cachedPromptTokens: 0,
			recomputedTokens: 0,
			preemptions: 0,
			outputTokens: 1,
		};
		inbox.put(replica, (timeUs) => [{ kind: 'call-ended', timeUs, call, replica, outcome, work }]);
	};
	const failed = (reason: string): CallOutcome => ({ kind: 'failed', reason });
	return {
		start: ({ replica }) => {
			running.set(replica, []);
			if (failToLoad.includes(replica))
				inbox.put(replica, (timeUs) => [failure(timeUs, replica, 'no memory')]);
			else inbox.put(replica, (timeUs) => [{ kind: 'replica-awake', timeUs, replica }]);
		},
		stop: (replica) => inbox.put(replica, (timeUs) => [{ kind: 'replica-stopped', timeUs, replica }]),
		sleep: () => undefined,
		wake: () => undefined,
		cancel: () => undefined,
		migrate: () => undefined,
		park: () => undefined,
		dispatch: (call: Call, replica) => {
			const own = running.get(replica) ?? [];
			own.push(call.id);
			if (returnAtWork.includes(replica)) {
				if (own.length === 1)
					inbox.put(replica, (timeUs) => [
						...own.map((id) => returned(timeUs, id, replica)),
						failure(timeUs, replica, 'engine died'),
					]);
			} else if (failedCalls.includes(call.id)) end(call.id, replica, failed('refused'));
			else if (!failAtWork.includes(replica))
				end(call.id, replica, {
					kind: 'finished',
					outputTokens: 1,
					answerTokens: 1,
					finishReason: 'stop',
					answer: 'A',
				});
			else {
				end(call.id, replica, failed('engine died'));
				// Its last call takes it down; until then each call reports its own end.
				if (own.length === 1) inbox.put(replica, (timeUs) => [failure(timeUs, replica, 'engine died')]);
			}
		},
	};
}

const failure = (timeUs: number, replica: ReplicaId, reason: string): ExecutorEvent => ({
	kind: 'replica-failed',
	timeUs,
	replica,
	reason,
});

const returned = (timeUs: number, call: CallId, replica: ReplicaId): ExecutorEvent => ({
	kind: 'call-returned',
	timeUs,
	call,
	replica,
	reason: 'engine died',
	outputTokens: 1,
});
