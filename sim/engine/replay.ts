import type { EngineMode, EngineRequest } from '../domain/engine.ts';
import { LeapingCore } from './leaping-core.ts';
import { SchedulerCore } from './scheduler-core.ts';
import type { Sequence } from './sequence.ts';
import { StepBatch } from './step-batch.ts';
import type { IdAndTokens, SchedulerTrace, TraceRequest } from './trace-format.ts';

export interface ReplayResult {
	/** Steps compared that scheduled something. */
	readonly steps: number;
	/** Those of them that the model did not carry out one by one. */
	readonly leaptSteps: number;
	/** The first difference between the recording and the model, or null. */
	readonly mismatch: ReplayMismatch | null;
}

/** Values are JSON text; `nothing` where one side has no such step. */
export interface ReplayMismatch {
	readonly step: number;
	/** Field of the row, or `preemptions` with a list over all requests. */
	readonly field: string;
	readonly expected: string;
	readonly got: string;
}

/** Gives the recorded workload to the model and compares every field of every step with what vLLM did. */
export function replayTrace(trace: SchedulerTrace, mode: EngineMode = 'stepwise'): ReplayResult {
	const model = new ReplayedModel(trace, mode);
	const { steps, mismatch } = compare(trace, model);
	return { steps, leaptSteps: model.leaptSteps, mismatch };
}

function compare(trace: SchedulerTrace, model: ReplayedModel): Omit<ReplayResult, 'leaptSteps'> {
	const modelled = model.steps();
	let steps = 0;
	for (const want of recordedSteps(trace)) {
		const have = modelled.next().value;
		if (have === undefined) return { steps, mismatch: difference(want.t, 'row', want, undefined) };
		for (const field of FIELDS) {
			if (want[field] === null || sameJson(want[field], have[field])) continue;
			return { steps, mismatch: difference(want.t, field, want[field], have[field]) };
		}
		if (have.s.length > 0) steps++;
	}
	const extra = modelled.next().value;
	if (extra !== undefined) return { steps, mismatch: difference(extra.t, 'row', undefined, extra) };
	const preemptions = trace.requests.map((request) => request.preemptions);
	return sameJson(preemptions, model.preemptions)
		? { steps, mismatch: null }
		: { steps, mismatch: difference(steps, 'preemptions', preemptions, model.preemptions) };
}

/** One step in the recording's words (golden README); `used` is null inside a row of equal steps, where it was not kept. */
interface Step {
	readonly t: number;
	readonly s: readonly IdAndTokens[];
	readonly adm: readonly IdAndTokens[];
	readonly pre: readonly number[];
	fin: readonly number[];
	readonly abo: readonly number[];
	readonly late: number[];
	readonly run: number;
	readonly wait: number;
	readonly used: number | null;
}

const FIELDS = ['t', 's', 'adm', 'pre', 'fin', 'abo', 'late', 'run', 'wait', 'used'] as const;
const NONE: readonly never[] = [];

/** Spreads rows of `n` equal steps out. What happened once stands on the first of them, `fin` and `late` on the last. */
function* recordedSteps(trace: SchedulerTrace): Generator<Step, undefined> {
	for (const row of trace.steps) {
		for (let index = 0; index < row.n; index++) {
			const isFirst = index === 0;
			const isLast = index === row.n - 1;
			yield {
				t: row.t + index,
				s: row.s,
				adm: isFirst ? row.adm : NONE,
				pre: isFirst ? row.pre : NONE,
				fin: isLast ? row.fin : NONE,
				abo: isFirst ? row.abo : NONE,
				late: isLast ? [...row.late] : [],
				run: row.run,
				wait: row.wait,
				used: isFirst ? row.used : isLast ? row.used2 : null,
			};
		}
	}
	return undefined;
}

/** The scheduler under the recorder's clock, which counts the steps that scheduled something. */
class ReplayedModel {
	readonly preemptions: number[];
	leaptSteps = 0;
	private readonly trace: SchedulerTrace;
	private readonly core: SchedulerCore;
	private readonly leaper: LeapingCore | null;
	private readonly arrivals: readonly number[];
	private readonly aborts: readonly number[];
	private arrived = 0;
	private aborted = 0;
	private stepCount = 0;

	constructor(trace: SchedulerTrace, mode: EngineMode) {
		const { requests } = trace;
		this.trace = trace;
		this.leaper = mode === 'leaping' ? new LeapingCore(trace.config) : null;
		this.core = this.leaper ?? new SchedulerCore(trace.config);
		this.preemptions = requests.map(() => 0);
		const ids = requests.map((_, id) => id);
		const abortOf = (id: number) => request(trace, id).abort;
		this.arrivals = [...ids].sort((a, b) => request(trace, a).arrive - request(trace, b).arrive || a - b);
		this.aborts = ids
			.filter((id) => abortOf(id) !== null)
			.sort((a, b) => (abortOf(a) ?? 0) - (abortOf(b) ?? 0) || a - b);
	}

	/** Steps in the order scheduled, each once its output is processed and nothing more can be noted on it. */
	*steps(): Generator<Step, undefined> {
		const { core } = this;
		const mostInFlight = this.trace.config.asyncScheduling ? 2 : 1;
		const inFlight: { batch: StepBatch; step: Step }[] = [];
		const unsent: Step[] = [];
		while (core.openCount > 0 || inFlight.length > 0 || this.jump()) {
			this.submitDue();
			const gone = this.abortDue();
			const leapt = this.leap(gone);
			for (const step of leapt) {
				while (unsent.length > inFlight.length) yield unsent.shift() as Step;
				unsent.push(step);
				for (const flying of inFlight) flying.step = step;
			}
			if (leapt.length > 0) continue;
			const batch = new StepBatch(this.trace.config.maxNumSeqs);
			core.schedule(batch);
			for (const victim of batch.preempted) this.preemptions[Number(victim.id)] = victim.preemptions;
			if (batch.count > 0 || batch.preempted.length > 0) {
				const step = this.describe(batch, gone);
				while (unsent.length > inFlight.length) yield unsent.shift() as Step;
				unsent.push(step);
				if (batch.count > 0) {
					inFlight.push({ batch, step });
					this.stepCount++;
				}
			} else unsent.at(-1)?.late.push(...gone);
			if (batch.count > 0 && inFlight.length < mostInFlight) continue;
			const oldest = inFlight.shift();
			if (oldest !== undefined) {
				core.processOutput(oldest.batch);
				oldest.step.fin = idsOf(oldest.batch.finished);
			} else if (batch.preempted.length === 0 && core.openCount > 0) break;
		}
		yield* unsent;
		return undefined;
	}

	/** Steps before the next arrival or abort that are alike, carried out at once. `gone` were aborted before the first. */
	private leap(gone: readonly number[]): Step[] {
		const { leaper, stepCount } = this;
		if (leaper === null) return [];
		const arrival = this.arrivals[this.arrived];
		const abort = this.aborts[this.aborted];
		const untilArrival = arrival === undefined ? Infinity : request(this.trace, arrival).arrive - stepCount;
		const untilAbort = abort === undefined ? Infinity : (request(this.trace, abort).abort ?? 0) - stepCount;
		const leap = leaper.planLeap(Math.min(untilArrival, untilAbort));
		if (leap === null) return [];
		const s = leaper.leapEntries().map(idAndTokens);
		const { runningCount: run, waitingCount: wait } = leaper;
		const steps = Array.from({ length: leap.steps }, (_, index): Step => {
			const used = leaper.usedBlocksAfter(index + 1);
			const abo = index === 0 ? gone : NONE;
			return { t: stepCount + index, s, adm: NONE, pre: NONE, fin: NONE, abo, late: [], run, wait, used };
		});
		leaper.leap(leap.steps);
		this.stepCount += leap.steps;
		this.leaptSteps += leap.steps;
		return steps;
	}

	private describe(batch: StepBatch, gone: readonly number[]): Step {
		const admitted = [...batch.admitted, ...batch.resumed];
		return {
			t: this.stepCount,
			s: this.core.entries(batch).map(idAndTokens),
			adm: admitted.map((sequence) => [Number(sequence.id), sequence.hitTokens]),
			pre: idsOf(batch.preempted),
			fin: NONE,
			abo: gone,
			late: [],
			run: this.core.runningCount,
			wait: this.core.waitingCount,
			used: this.core.usedBlocks,
		};
	}

	/** @returns whether there is a next arrival; the count moves to it */
	private jump(): boolean {
		const next = this.arrivals[this.arrived];
		if (next === undefined) return false;
		this.stepCount = Math.max(this.stepCount, request(this.trace, next).arrive);
		return true;
	}

	private submitDue(): void {
		for (; this.arrived < this.arrivals.length; this.arrived++) {
			const id = this.arrivals[this.arrived] as number;
			const { arrive } = request(this.trace, id);
			if (arrive > this.stepCount) return;
			this.core.submit(engineRequest(request(this.trace, id), id), arrive);
		}
	}

	private abortDue(): readonly number[] {
		const gone: number[] = [];
		for (; this.aborted < this.aborts.length; this.aborted++) {
			const id = this.aborts[this.aborted] as number;
			if ((request(this.trace, id).abort ?? 0) > this.stepCount) break;
			if (this.core.abort(String(id)) !== undefined) gone.push(id);
		}
		return gone;
	}
}

function engineRequest(recorded: TraceRequest, id: number): EngineRequest {
	return {
		id: String(id),
		promptTokens: recorded.prompt.reduce((sum, [, , length]) => sum + length, 0),
		promptSegments: recorded.prompt,
		outputTokens: recorded.output,
		endsByStop: recorded.end === 'stop',
		maxOutputTokens: recorded.maxTokens,
		priority: recorded.priority,
	};
}

const idAndTokens = ([{ id }, tokens]: [Sequence, number]): IdAndTokens => [Number(id), tokens];

const request = (trace: SchedulerTrace, id: number) => trace.requests[id] as TraceRequest;

const idsOf = (sequences: readonly Sequence[]): number[] =>
	sequences.map((sequence) => Number(sequence.id)).sort((a, b) => a - b);

type Json = number | null | readonly Json[];

function sameJson(a: Json, b: Json): boolean {
	if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
	return a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
}

function difference(step: number, field: string, expected: unknown, got: unknown): ReplayMismatch {
	const text = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
	return { step, field, expected: text(expected), got: text(got) };
}
