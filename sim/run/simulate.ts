import { Controller } from '../core/controller.ts';
import { createJudge } from '../core/judge.ts';
import { createProblem } from '../core/problem.ts';
import { remainingOf } from '../core/remaining.ts';
import type { EngineFactory } from '../domain/engine.ts';
import { assert, PolicyError, present } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { type EndRecord, type MakespanBound, RUN_LOG_FORMAT, type RunRecord } from '../domain/run-log.ts';
import type { Forecaster, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import { type TimeUs, usFromSeconds } from '../domain/units.ts';
import type { Gate } from '../domain/work.ts';
import { createEngine } from '../engine/index.ts';
import { EVENT_RANK, EventQueue } from './event-queue.ts';
import { createForecaster } from './forecaster.ts';
import type { EngineFailure, Pending } from './pending.ts';
import { createRehearse } from './rehearsal.ts';
import { SimulatedExecutor } from './simulated-executor.ts';
import { TrueCalls } from './true-calls.ts';

export interface SimulateOptions {
	/** Version of the program, for the log. */
	readonly version: string;
	/** Receives every record of the run log, in order. */
	readonly onRecord: (record: RunRecord) => void;
	readonly bound?: MakespanBound;
	/** When aborted, the run ends with a `run-ended` record that says `interrupted`. */
	readonly signal?: AbortSignal;
	/** Called now and then with the share of queries settled, 0 to 1. */
	readonly onProgress?: (share: number) => void;
	/** What its scheduler plans with; absent: the run's own. */
	readonly forecaster?: Forecaster;
	/** What goes wrong in this run. */
	readonly failures?: readonly EngineFailure[];
}

export interface RunOutcome {
	readonly status: 'complete' | 'interrupted';
	readonly endUs: TimeUs;
	readonly plan: Plan;
	readonly failedCalls: number;
}

/** Events between two looks at the outside world (abort, progress): about every 10 to 50 ms. */
const EVENTS_PER_SLICE = 20_000;

/** Far above what any instant can need: a few events for each call of a million. */
const MAX_EVENTS_AT_ONCE = 10_000_000;

/**
 * One simulated run: plan, then events in order until every query is settled and every engine is quiet. Deterministic: equal setup,
 * scheduler, gate and version give equal records.
 * @throws PolicyError when the scheduler breaks its contract or leaves work undone
 */
export async function simulate(
	setup: Setup,
	scheduler: Scheduler,
	gate: Gate,
	options: SimulateOptions,
): Promise<RunOutcome> {
	return new SimulatedRun(setup, scheduler, gate, options).run();
}

/** What planning a run asks of the engine model: sessions, and rehearsals of the whole. */
export function planningForecaster(setup: Setup, gate: Gate, signal?: AbortSignal): Forecaster {
	const forecaster = createForecaster(setup, (config, step) => createEngine(setup.engineMode, config, step));
	return { ...forecaster, rehearse: createRehearse({ setup, gate, forecaster, simulate, signal }) };
}

class SimulatedRun {
	private readonly setup: Setup;
	private readonly scheduler: Scheduler;
	private readonly gate: Gate;
	private readonly options: SimulateOptions;
	private readonly queue = new EventQueue<Pending>();
	private readonly executor: SimulatedExecutor;
	private readonly controller: Controller;
	private readonly forecaster: Forecaster;
	private readonly ended: EndRecord[] = [];
	private failedCalls = 0;
	private nowUs: TimeUs = 0;
	private lastRecordUs: TimeUs = 0;
	private hasPlan = false;
	private arrivedQueries = 0;
	private replanAsked = false;
	/** A plan is being made, or is not due yet. */
	private planning = false;
	private decisionDue = false;
	private eventsAtOnce = 0;

	constructor(setup: Setup, scheduler: Scheduler, gate: Gate, options: SimulateOptions) {
		this.setup = setup;
		this.scheduler = scheduler;
		this.gate = gate;
		this.options = options;
		const factory: EngineFactory = (config, step) => createEngine(setup.engineMode, config, step);
		this.forecaster = options.forecaster ?? planningForecaster(setup, gate, options.signal);
		const slotCounts = new Map(setup.queries.map((query) => [query.id, query.slots.length]));
		this.executor = new SimulatedExecutor({
			gpus: setup.cluster.gpus,
			createEngine: factory,
			sampleUs: Math.max(1, usFromSeconds(setup.sampleSeconds)),
			queue: this.queue,
			nowUs: () => this.nowUs,
			trueCalls: new TrueCalls(setup.truth, ({ query }) => present(slotCounts.get(query), `query ${query}`)),
		});
		this.controller = new Controller({
			setup,
			scheduler,
			gate,
			executor: this.executor,
			judge: createJudge(setup),
			write: (record) => this.write(record),
			onReplan: () => {
				this.replanAsked = true;
			},
		});
		this.write(runStarted(setup, scheduler, gate, options.version));
	}

	async run(): Promise<RunOutcome> {
		const { setup, scheduler, options, queue } = this;
		const plan = await scheduler.plan(createProblem(setup, this.gate, this.forecaster));
		// Deciding costs time too: queries arrive and wait while the plan's charged time passes.
		queue.push(usFromSeconds(plan.evidence.solveSeconds), EVENT_RANK.plan, { kind: 'plan', plan });
		this.streamArrival();
		for (const failure of options.failures ?? [])
			queue.push(failure.timeUs, EVENT_RANK.failure, { kind: 'failure', failure });

		let sliceEvents = 0;
		for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
			this.watchClock(next.timeUs);
			this.nowUs = next.timeUs;
			if (this.handle(next.value)) this.decisionDue = true;
			// Engines that die together are reported one by one; nobody decides as if the last of them still lived.
			if (this.decisionDue && !queue.continuesWith(EVENT_RANK.failure)) {
				this.decisionDue = false;
				this.controller.decide(this.nowUs);
			}
			if (this.replanAsked && !this.planning) await this.replan();
			if (++sliceEvents < EVENTS_PER_SLICE) continue;
			sliceEvents = 0;
			options.onProgress?.(this.settledShare());
			await new Promise((resolve) => setImmediate(resolve));
			if (options.signal?.aborted) return this.end('interrupted', plan);
		}
		const { openQueries } = this.controller.state;
		if (openQueries > 0)
			throw new PolicyError(
				scheduler.name,
				`left ${openQueries} of ${setup.queries.length} queries unsettled: nothing runs and nothing was asked for`,
			);
		return this.end('complete', plan);
	}

	/** @returns whether the scheduler should be asked */
	private handle(pending: Pending): boolean {
		switch (pending.kind) {
			case 'plan':
				this.controller.setPlan(pending.plan, this.nowUs);
				this.hasPlan = true;
				// What was asked for meanwhile, it answers.
				this.planning = false;
				this.replanAsked = false;
				return !this.isNextDue();
			case 'arrival':
				this.arrive();
				return this.hasPlan;
			case 'failure': {
				const { gpu, reason, restart } = pending.failure;
				for (const replica of this.executor.replicasOn(gpu)) this.executor.fail(replica, reason, restart);
				return false;
			}
			case 'happening': {
				const event = this.executor.happen(pending);
				if (event === null) return false;
				return this.controller.apply(event);
			}
			case 'engine': {
				const events = this.executor.advance(pending.replica, pending.version);
				for (const event of events) this.controller.apply(event);
				return events.length > 0;
			}
			case 'sample': {
				const event = this.executor.sample(pending.replica);
				if (event !== null) this.controller.apply(event);
				return false;
			}
		}
	}

	/** All queries of one instant arrive before anything is decided; the next arrival alone waits in the queue. */
	private arrive(): void {
		const { queries } = this.setup;
		for (let next = queries[this.arrivedQueries]; next !== undefined; next = queries[this.arrivedQueries]) {
			if (next.arrivalUs > this.nowUs) break;
			this.arrivedQueries++;
			this.controller.arrive(next, this.nowUs, this.arrivedQueries === queries.length);
		}
		this.streamArrival();
	}

	/** Whether a query arrives at this very moment that has not yet: the scheduler is asked when it has. */
	private isNextDue(): boolean {
		const next = this.setup.queries[this.arrivedQueries];
		return next !== undefined && next.arrivalUs <= this.nowUs;
	}

	private streamArrival(): void {
		const next = this.setup.queries[this.arrivedQueries];
		if (next !== undefined) this.queue.push(next.arrivalUs, EVENT_RANK.arrival, { kind: 'arrival' });
	}

	/** Plans what is left as it stands now; the new plan holds after its charged time, and the run goes on meanwhile. */
	private async replan(): Promise<void> {
		this.planning = true;
		const remaining = remainingOf(this.controller.state, this.arrivedQueries, this.nowUs);
		const problem = createProblem(this.setup, this.gate, this.forecaster, remaining);
		const plan = await this.scheduler.plan(problem);
		const readyUs = this.nowUs + usFromSeconds(plan.evidence.solveSeconds);
		this.queue.push(readyUs, EVENT_RANK.plan, { kind: 'plan', plan });
	}

	private end(status: RunOutcome['status'], plan: Plan): RunOutcome {
		const bound = status === 'complete' ? this.options.bound : undefined;
		// The clock may have run on to a gauge reading that found its engine at rest: the run ended with its last happening.
		const endUs = this.lastRecordUs;
		const audit = this.gate.evidence?.().audit;
		this.write({
			type: 'run-ended',
			timeUs: endUs,
			status,
			...(bound === undefined ? { lowerBoundUs: null } : bound(this.ended)),
			...(audit && { audit }),
		});
		return { status, endUs, plan, failedCalls: this.failedCalls };
	}

	private write(record: RunRecord): void {
		this.lastRecordUs = record.timeUs;
		if (record.type === 'call-finished' || record.type === 'query-settled') this.ended.push(record);
		else if (record.type === 'call-failed') this.failedCalls++;
		this.options.onRecord(record);
	}

	/** A clock that stands still for ever is somebody's bug; better to stop than to hang. */
	private watchClock(timeUs: TimeUs): void {
		this.eventsAtOnce = timeUs === this.nowUs ? this.eventsAtOnce + 1 : 0;
		assert(this.eventsAtOnce < MAX_EVENTS_AT_ONCE, `the clock stands still at ${timeUs} us`);
	}

	private settledShare(): number {
		const total = this.setup.queries.length;
		const open = this.controller.state.openQueries + total - this.arrivedQueries;
		return 1 - open / total;
	}
}

function runStarted(setup: Setup, scheduler: Scheduler, gate: Gate, version: string): RunRecord {
	return {
		type: 'run-started',
		timeUs: 0,
		format: RUN_LOG_FORMAT,
		version,
		experiment: setup.name,
		scheduler: scheduler.name,
		gate: gate.name,
		seed: setup.seed,
		engineMode: setup.engineMode,
		world: 'simulated',
		gpus: setup.cluster.gpus.map(({ id, type, host }) => ({ gpu: id, type, host })),
		models: setup.models.map(({ id, modelClass }) => ({ model: id, modelClass })),
		queryCount: setup.queries.length,
		...(scheduler.knowsLengths && { knowsLengths: true }),
		...(gate.evidence && { gateEvidence: gate.evidence() }),
	};
}
