import type { EngineEvent, EngineGauges, EngineModel, EngineRequest } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';
import type { EngineConfig, StepCost } from '../domain/model.ts';
import type { TimeUs } from '../domain/units.ts';
import { SchedulerCore } from './scheduler-core.ts';
import type { Sequence } from './sequence.ts';
import { StepBatch } from './step-batch.ts';
import { StepClock } from './step-time.ts';

/**
 * One engine over time, one step after the other.
 *
 * Synchronous: schedule, run, process the output, and again. Asynchronous: while a step runs, the next one is already
 * scheduled, so an arrival waits up to one step more and the last token of a stopped sequence costs a vain slot.
 *
 * When a step ends requests, `advance` reports them first and the next step starts with the following `advance` at the same
 * time, so that what their end leads to at that instant joins it.
 */
export class StepwiseEngine implements EngineModel {
	private readonly core: SchedulerCore;
	protected readonly clock: StepClock;
	private readonly maxModelLen: number;
	protected readonly asyncScheduling: boolean;

	/** The step on the GPU; the clock stands at its end. */
	protected executing: StepBatch | null = null;
	/** Scheduled while that one runs (asynchronous only). */
	private queued: StepBatch | null = null;
	private readonly spare: StepBatch[];
	/** A schedule call is due at the time of the clock. */
	protected scheduleDue = false;
	private rejected: EngineEvent[] = [];

	protected lastUs: TimeUs = 0;
	protected dueUs: TimeUs = Number.POSITIVE_INFINITY;
	protected stepStartUs = 0;
	protected busySinceUs = 0;
	protected closedBusyUs = 0;
	protected steps = 0;

	constructor(config: EngineConfig, cost: StepCost, core: SchedulerCore = new SchedulerCore(config)) {
		this.core = core;
		this.clock = new StepClock(cost, config.asyncScheduling);
		this.maxModelLen = config.maxModelLen;
		this.asyncScheduling = config.asyncScheduling;
		this.spare = Array.from({ length: 3 }, () => new StepBatch(config.maxNumSeqs));
	}

	submit(request: EngineRequest, nowUs: TimeUs): void {
		this.moveTo(nowUs);
		checkRequest(request);
		const reason = this.refusal(request);
		if (reason !== undefined) {
			this.rejected.push({ kind: 'rejected', timeUs: nowUs, id: request.id, reason });
			this.dueUs = nowUs;
			return;
		}
		this.core.submit(request, nowUs);
		if (this.executing !== null || this.scheduleDue) return;
		// The last step may have ended a fraction of a microsecond after the time it was reported at.
		const startUs = Math.max(nowUs, this.clock.nowUs);
		this.clock.reset(startUs);
		this.busySinceUs = startUs;
		this.stepStartUs = startUs;
		this.scheduleDue = true;
		this.dueUs = nowUs;
	}

	abort(id: string, nowUs: TimeUs): number | undefined {
		this.moveTo(nowUs);
		const refused = this.rejected.findIndex((event) => event.id === id);
		if (refused < 0) return this.core.abort(id);
		this.rejected = this.rejected.toSpliced(refused, 1);
		if (this.rejected.length === 0) this.dueUs = this.nextDueUs();
		return 0;
	}

	outputTokens(id: string, nowUs: TimeUs): number | undefined {
		this.moveTo(nowUs);
		return this.rejected.some((event) => event.id === id) ? 0 : this.producedTokens(id);
	}

	nextUs(): TimeUs {
		return this.dueUs;
	}

	nextEndsSome(): boolean {
		if (this.rejected.length > 0) return true;
		return !this.scheduleDue && this.executing !== null && this.core.endsSome(this.executing);
	}

	advance(nowUs: TimeUs): readonly EngineEvent[] {
		this.moveTo(nowUs);
		if (this.dueUs > nowUs) return NO_EVENTS;
		let events: readonly EngineEvent[] = this.takeRejected();
		while (events.length === 0 && this.dueUs <= nowUs) {
			if (this.scheduleDue) this.startSteps();
			else events = this.endStep();
			this.dueUs = this.nextDueUs();
		}
		return events;
	}

	gauges(nowUs: TimeUs = this.lastUs): EngineGauges {
		this.moveTo(nowUs);
		const { core } = this;
		const isBusy = this.executing !== null || this.scheduleDue;
		const openBusyUs = isBusy ? this.stepStartUs - this.busySinceUs : 0;
		return {
			running: core.runningCount,
			waiting: core.waitingCount,
			usedBlocks: core.usedBlocks,
			totalBlocks: core.usableBlocks,
			steps: this.steps,
			preemptions: core.preemptions,
			busyUs: Math.round(this.closedBusyUs + openBusyUs),
		};
	}

	/** Schedules until the GPU has its step and, asynchronously, the one after it. */
	protected startSteps(): void {
		const { core, clock } = this;
		this.scheduleDue = false;
		while (this.executing === null || (this.asyncScheduling && this.queued === null)) {
			const batch = this.spare.pop();
			assert(batch !== undefined, 'no step batch is left');
			core.schedule(batch);
			if (batch.count === 0) {
				this.spare.push(batch);
				if (this.executing !== null) break;
				// A call that only preempted made room: the engine calls again at once.
				if (batch.preempted.length > 0) continue;
				break;
			}
			for (const sequence of batch.admitted) sequence.startedUs = this.lastUs;
			if (this.executing === null) {
				this.executing = batch;
				clock.run(batch);
			} else this.queued = batch;
		}
		if (this.executing !== null) return;
		assert(core.openCount === 0, 'requests are waiting and none of them can be scheduled');
		this.closedBusyUs += clock.nowUs - this.busySinceUs;
	}

	private endStep(): readonly EngineEvent[] {
		const batch = this.executing as StepBatch;
		const endUs = this.lastUs;
		this.core.processOutput(batch);
		this.steps++;
		for (const sequence of batch.firstTokens) sequence.firstTokenUs = endUs;
		const { finished } = batch;
		const events =
			finished.length === 0 ? NO_EVENTS : finished.map((sequence) => finishedEvent(sequence, endUs));
		this.spare.push(batch);
		this.executing = this.queued;
		this.queued = null;
		this.stepStartUs = this.clock.nowUs;
		if (this.executing !== null) this.clock.run(this.executing);
		this.scheduleDue = true;
		return events;
	}

	/** Output tokens of an open request at the time it stands at. */
	protected producedTokens(id: string): number | undefined {
		return this.core.outputTokens(id);
	}

	private refusal({ promptTokens }: EngineRequest): string | undefined {
		if (promptTokens < 1) return 'the prompt is empty';
		if (promptTokens < this.maxModelLen) return undefined;
		return `the prompt has ${promptTokens} tokens; with at least one output token the context of ${this.maxModelLen} is too short`;
	}

	/** Whether a refusal waits to be reported at this very time. */
	protected get hasRejected(): boolean {
		return this.rejected.length > 0;
	}

	private takeRejected(): readonly EngineEvent[] {
		if (this.rejected.length === 0) return NO_EVENTS;
		const { rejected } = this;
		this.rejected = [];
		this.dueUs = this.nextDueUs();
		return rejected;
	}

	protected nextDueUs(): TimeUs {
		if (this.scheduleDue) return this.lastUs;
		if (this.executing === null) return Number.POSITIVE_INFINITY;
		return Math.max(Math.round(this.clock.nowUs), this.lastUs);
	}

	protected moveTo(nowUs: TimeUs): void {
		const isInOrder = nowUs >= this.lastUs && nowUs <= this.dueUs;
		// The message is worth building only when it is needed: this is called more often than anything else.
		if (!isInOrder) assert(false, `engine at ${this.lastUs} us cannot move to ${nowUs} us`);
		this.lastUs = nowUs;
	}
}

const NO_EVENTS: readonly EngineEvent[] = Object.freeze([]);

function finishedEvent(sequence: Sequence, timeUs: TimeUs): EngineEvent {
	return {
		kind: 'finished',
		timeUs,
		id: sequence.id,
		outputTokens: sequence.outputTokens,
		finishReason: sequence.endsByStop ? 'stop' : 'length',
		startedUs: sequence.startedUs,
		firstTokenUs: sequence.firstTokenUs,
		cachedPromptTokens: sequence.cachedPromptTokens,
		recomputedTokens: sequence.recomputedTokens,
		preemptions: sequence.preemptions,
	};
}

/** Counts come from our own workload code, so a broken one is our bug. */
function checkRequest({ id, promptTokens, outputTokens, maxOutputTokens, priority }: EngineRequest): void {
	const sound =
		Number.isSafeInteger(promptTokens) &&
		promptTokens >= 0 &&
		Number.isSafeInteger(outputTokens) &&
		outputTokens >= 1 &&
		Number.isSafeInteger(maxOutputTokens) &&
		maxOutputTokens >= 1 &&
		Number.isFinite(priority);
	if (sound) return;
	assert(
		false,
		`request ${id}: prompt ${promptTokens}, output ${outputTokens}, limit ${maxOutputTokens}, priority ${priority}`,
	);
}
