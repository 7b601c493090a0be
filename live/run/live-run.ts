import { createProblem } from '../../sim/core/problem.ts';
import { PolicyError } from '../../sim/domain/errors.ts';
import { type TimeUs, usFromSeconds } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import type { ProcessRecord } from '../happening.ts';
import type { JournalInput } from '../journal/records.ts';
import { Arrivals } from './arrivals.ts';
import { Decisions } from './decisions.ts';
import { carryOut, orderText } from './orders.ts';
import type { LiveHands, LiveOutcome, LiveProgress, LiveRunParts } from './parts.ts';
import { type Replayed, replay } from './replay.ts';
import { liveRunStarted, RunLog } from './run-log.ts';

/**
 * One live run: what happens outside lands in one inbox and is taken one by one: into the journal, to the controller, and what the scheduler
 * orders then goes into the journal and out to processes and HTTP. A resumed run first takes the steps of its journal again.
 */
export class LiveRun {
	private readonly parts: LiveRunParts;
	private readonly log: RunLog;
	private readonly decisions: Decisions;
	private readonly inbox: JournalInput[] = [];
	private clock: LiveClock | null = null;
	private hands: LiveHands | null = null;
	private measuredSolveSeconds = 0;
	private lastUs: TimeUs = 0;
	private planning = false;
	private pumping = false;
	/** Set when the run is over, one way or another: nothing that happens now counts. */
	private over = false;
	private resolve: (status: LiveOutcome['status']) => void = () => undefined;
	private reject: (error: unknown) => void = () => undefined;

	constructor(parts: LiveRunParts) {
		this.parts = parts;
		this.log = new RunLog(parts.onRecord, parts.bound);
		this.decisions = new Decisions({ ...parts, write: (record) => this.log.write(record) });
	}

	/**
	 * @throws PolicyError when the scheduler breaks its contract or leaves work undone
	 * @throws UsageError E_JOURNAL_REPLAY when the journal is that of other decisions; others when a server contradicts the experiment
	 */
	async run(): Promise<LiveOutcome> {
		const { journal, self, version, signal } = this.parts;
		const past = this.recall();
		if (past.ended) return this.outcome('complete');
		journal.append({ kind: 'controller', ...self, version, timeUs: past.lastUs });
		for (const orders of past.unwritten) journal.append(orders);
		await journal.commit();
		if (this.isComplete) {
			this.restEngines(this.lastUs);
			await this.drain();
			return this.finish('complete');
		}
		let plan: JournalInput | null = null;
		if (this.decisions.firstPlan === null) {
			try {
				plan = await this.makePlan(past.lastUs);
			} catch (error) {
				if (signal.aborted && error === signal.reason) return this.finish('interrupted');
				throw error;
			}
		}
		if (signal.aborted) return this.finish('interrupted');
		return this.finish(await this.serve(plan));
	}

	progress(): LiveProgress {
		return {
			nowUs: Math.max(this.lastUs, this.clock?.nowUs() ?? 0),
			settledQueries: this.decisions.settledQueries,
			plan: this.decisions.firstPlan,
			replicas: this.hands?.snapshot() ?? [],
		};
	}

	private recall(): Replayed {
		const { setup, scheduler, gate, backend, version, past, content, onHappening } = this.parts;
		const names = {
			version,
			scheduler: scheduler.name,
			gate: gate.name,
			engineMode: backend,
			...(scheduler.knowsLengths && { knowsLengths: true as const }),
			...(gate.evidence && { gateEvidence: gate.evidence() }),
		};
		this.log.write(liveRunStarted(setup, names));
		const replayed = replay(past, {
			decisions: this.decisions,
			content,
			version,
			onHappening: (happening) => onHappening?.(happening, true),
		});
		this.lastUs = replayed.lastUs;
		this.measuredSolveSeconds = replayed.measuredSolveSeconds;
		return replayed;
	}

	/** From the first order to the last stopped server, or to an interruption. Whatever ends it, nothing runs afterwards. */
	private async serve(plan: JournalInput | null): Promise<LiveOutcome['status']> {
		const { startClock, createHands, signal } = this.parts;
		// The clock stands while the first plan is made, and then says what planning is charged: a fast clock would charge the wall's time many times over.
		const clock = startClock(Math.max(this.lastUs, plan?.timeUs ?? 0));
		this.clock = clock;
		const hands = createHands({
			clock,
			happened: (happening) => this.push({ kind: 'happening', timeUs: happening.event.timeUs, happening }),
			process: (record) => this.keepProcess(record),
			mistake: (error) => this.fail(error),
			broken: (error) => this.fail(error),
		});
		this.hands = hands;
		const ended = new Promise<LiveOutcome['status']>((resolve, reject) => {
			this.resolve = resolve;
			this.reject = reject;
		});
		const wakeUp = (): void => void setImmediate(() => this.pump());
		signal.addEventListener('abort', wakeUp);
		const { queries } = this.parts.setup;
		const arrivals = new Arrivals(queries, this.decisions.arrivedQueries, (input) => this.push(input));
		try {
			if (plan === null) this.takeOver(hands, clock.nowUs());
			else {
				arrivals.putDue(plan.timeUs - 1);
				this.push(plan);
			}
			arrivals.stream(clock);
			wakeUp();
			return await ended;
		} finally {
			this.over = true;
			arrivals.stop();
			signal.removeEventListener('abort', wakeUp);
			this.lastUs = Math.max(this.lastUs, clock.nowUs());
			await hands.close();
		}
	}

	private takeOver(hands: LiveHands, timeUs: TimeUs): void {
		// What computed when the last controller died computes no more.
		this.restEngines(timeUs);
		for (const { event, ...rest } of this.decisions.moves.unreported())
			this.push({ kind: 'happening', timeUs, happening: { event: { ...event, timeUs }, ...rest } });
		for (const stranded of this.decisions.stranded()) {
			const event = { kind: 'call-returned', timeUs, ...stranded, reason: GONE } as const;
			this.push({ kind: 'happening', timeUs, happening: { event } });
		}
		const replicas = this.decisions.restorable();
		const parked = this.decisions.parked();
		if (replicas.length > 0 || parked.size > 0) hands.restore(replicas, parked);
	}

	/** @returns false when all engines are known to be at rest */
	private restEngines(timeUs: TimeUs): boolean {
		const active = this.decisions.activeReplicas();
		for (const replica of active)
			this.push({
				kind: 'happening',
				timeUs,
				happening: { event: { kind: 'engine-active', timeUs, replica, active: false } },
			});
		return active.length > 0;
	}

	private push(input: JournalInput): void {
		if (this.over) return;
		this.inbox.push(input);
		// All that this turn of the event loop brings shares one sync of the journal.
		if (this.inbox.length === 1) setImmediate(() => this.pump());
	}

	private pump(): void {
		if (this.pumping || this.over) return;
		this.pumping = true;
		void this.drain()
			.catch((error: unknown) => this.fail(error))
			.finally(() => {
				this.pumping = false;
			});
	}

	private async drain(): Promise<void> {
		const { journal } = this.parts;
		while (this.inbox.length > 0) {
			const batch = this.inbox.splice(0).map((input) => this.stamp(input));
			const seqs = batch.map((input) => journal.append(input));
			if (batch.some(mustLast)) await journal.commit();
			else journal.flush();
			// The run has failed meanwhile: what would be ordered now, nobody would end.
			if (this.over) return;
			batch.forEach((input, index) => {
				this.take(input, seqs[index] ?? 0);
			});
		}
		if (this.parts.signal.aborted) this.end('interrupted');
		else this.lookAhead();
	}

	/** Journal time never goes back, whoever read the clock first. */
	private stamp(input: JournalInput): JournalInput {
		const timeUs = Math.max(this.lastUs, input.timeUs);
		this.lastUs = timeUs;
		if (input.kind !== 'happening') return { ...input, timeUs };
		const { event, ...rest } = input.happening;
		return { ...input, timeUs, happening: { ...rest, event: { ...event, timeUs } } };
	}

	private take(input: JournalInput, seq: number): void {
		const { journal, onHappening, signal } = this.parts;
		const { decisions } = this;
		const orders = decisions.step(input);
		if (orders.length > 0) {
			journal.append({ kind: 'orders', after: seq, orders: orders.map(orderText) });
			journal.flush();
		}
		if (input.kind === 'happening') onHappening?.(input.happening, false);
		// Asked to stop, the run still takes down what has happened; a successor carries out what follows from it.
		if (!signal.aborted && this.hands !== null) for (const order of orders) carryOut(order, this.hands);
	}

	/** With everything known applied: is the run over, stuck, or in need of another plan? */
	private lookAhead(): void {
		const { decisions, planning } = this;
		if (decisions.replanAsked && !planning) this.replan();
		if (this.planning || !decisions.allArrived || !decisions.isQuiet) return;
		if (this.isComplete) {
			// The last call has ended; that its engine is at rest may not have been said yet.
			if (!this.restEngines(this.lastUs)) this.end('complete');
			return;
		}
		const { setup, scheduler } = this.parts;
		const left = setup.queries.length - decisions.settledQueries;
		throw new PolicyError(
			scheduler.name,
			`left ${left} of ${setup.queries.length} queries unsettled: nothing runs and nothing was asked for`,
		);
	}

	private get isComplete(): boolean {
		const { decisions } = this;
		return (
			decisions.allArrived &&
			decisions.isQuiet &&
			decisions.settledQueries === this.parts.setup.queries.length
		);
	}

	/** Plans what is left as it stands now; the new plan holds when its charged time has passed, and the run goes on meanwhile. */
	private replan(): void {
		this.planning = true;
		const clock = this.clock;
		this.makePlan(this.lastUs).then(
			(plan) => {
				const waitUs = plan.timeUs - (clock?.nowUs() ?? 0);
				clock?.after(Math.max(0, waitUs), () => {
					this.planning = false;
					this.push({ ...plan, timeUs: clock.nowUs() });
				});
			},
			(error: unknown) => {
				if (this.over || (this.parts.signal.aborted && error === this.parts.signal.reason)) return;
				this.fail(error);
			},
		);
	}

	/** @returns the plan as an input at the time from which it holds */
	private async makePlan(askedUs: TimeUs): Promise<JournalInput> {
		const { setup, scheduler, gate, forecaster } = this.parts;
		const problem =
			this.decisions.firstPlan === null
				? createProblem(setup, gate, forecaster)
				: createProblem(setup, gate, forecaster, this.decisions.remaining(askedUs));
		const startMs = performance.now();
		const plan = await scheduler.plan(problem);
		const measuredSolveSeconds = (performance.now() - startMs) / 1000;
		this.measuredSolveSeconds += measuredSolveSeconds;
		const timeUs = askedUs + usFromSeconds(plan.evidence.solveSeconds);
		return { kind: 'plan', timeUs, plan, measuredSolveSeconds };
	}

	private keepProcess(record: ProcessRecord): void {
		const { journal, onProcess } = this.parts;
		journal.append({ kind: 'process', record });
		if (record.kind === 'exited') journal.flush();
		else journal.commitNow();
		onProcess?.(record);
	}

	private end(status: LiveOutcome['status']): void {
		this.over = true;
		this.resolve(status);
	}

	private fail(error: unknown): void {
		this.over = true;
		this.reject(error);
	}

	private async finish(status: LiveOutcome['status']): Promise<LiveOutcome> {
		const { journal } = this.parts;
		const timeUs = this.lastUs;
		journal.append(status === 'complete' ? { kind: 'end', timeUs } : { kind: 'interrupted', timeUs });
		await journal.commit();
		return this.outcome(status);
	}

	private outcome(status: LiveOutcome['status']): LiveOutcome {
		const { log, measuredSolveSeconds } = this;
		// A run ends with its last happening; an interrupted one when it was told to stop.
		const audit = this.parts.gate.evidence?.().audit ?? null;
		const endUs = log.end(status, audit, status === 'interrupted' ? this.lastUs : undefined);
		return {
			status,
			endUs,
			plan: this.decisions.firstPlan,
			measuredSolveSeconds,
			failedCalls: log.failedCalls,
		};
	}
}

const GONE = 'its replica is gone';

/** Inputs that must survive the machine before anything follows from them: a call that has ended is never made again. */
const mustLast = (input: JournalInput): boolean =>
	input.kind === 'plan' ||
	(input.kind === 'happening' &&
		(input.happening.event.kind === 'call-ended' || input.happening.event.kind === 'call-returned'));
