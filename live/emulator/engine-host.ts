import type { EngineEvent, EngineGauges, EngineModel, EngineRequest } from '../../sim/domain/engine.ts';
import { assert } from '../../sim/domain/errors.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';

export type FinishedEvent = Extract<EngineEvent, { kind: 'finished' }>;

/** Whoever waits for a request. */
export interface RequestListener {
	/** Wants to hear of tokens as they come; else only of the end. */
	readonly isStreamed: boolean;
	/** Output tokens in all; called when there are more than the last time. */
	onTokens(tokenCount: number): void;
	onFinished(event: FinishedEvent): void;
	onRejected(reason: string): void;
}

export interface EngineHostParts {
	readonly createEngine: () => EngineModel;
	readonly clock: LiveClock;
	/** Between two reports of tokens of one request, engine time; 0: after every step. */
	readonly reportEveryUs: TimeUs;
}

/**
 * An engine model on a running clock. Whatever is due is carried out at the engine time it is due at, however late the timer fires, so that
 * lateness never adds up; what comes from outside comes at the present time.
 */
export class EngineHost {
	private readonly parts: EngineHostParts;
	private engine: EngineModel;
	private readonly open = new Map<string, OpenRequest>();
	/** Streamed ones that have no token yet: their first is reported as soon as it is there. */
	private readonly silent = new Set<OpenRequest>();
	private wakesUs = Number.POSITIVE_INFINITY;
	private cancelTimer = noTimer;
	private cancelReport = noTimer;
	private isReporting = false;
	/** Engine time stands still since then. */
	private frozenUs: TimeUs | null = null;
	private stoodStillUs: TimeUs = 0;
	/** What ended, to be told. */
	private readonly events: EngineEvent[] = [];
	/** Counts of engines that were dropped. */
	private before = { steps: 0, preemptions: 0, busyUs: 0 };

	constructor(parts: EngineHostParts) {
		this.parts = parts;
		this.engine = parts.createEngine();
	}

	get openCount(): number {
		return this.open.size;
	}

	/** Engine time: that of the clock, less what it stood still. */
	nowUs(): TimeUs {
		return this.frozenUs ?? this.parts.clock.nowUs() - this.stoodStillUs;
	}

	submit(request: EngineRequest, listener: RequestListener): void {
		const nowUs = this.catchUp(false);
		const open: OpenRequest = { id: request.id, listener, reportedTokens: 0 };
		this.open.set(request.id, open);
		if (listener.isStreamed) this.silent.add(open);
		this.engine.submit(request, nowUs);
		this.settle();
	}

	/** @returns output tokens it had; undefined when it is not open */
	abort(id: string): number | undefined {
		const nowUs = this.catchUp(false);
		const open = this.open.get(id);
		let tokens: number | undefined;
		if (open !== undefined) {
			tokens = this.engine.abort(id, nowUs) ?? 0;
			this.forget(open);
		}
		this.settle();
		return tokens;
	}

	/** Output tokens so far; undefined when it is not open. */
	outputTokens(id: string): number | undefined {
		const nowUs = this.catchUp();
		const tokens = this.open.has(id) ? this.engine.outputTokens(id, nowUs) : undefined;
		this.settle();
		return tokens;
	}

	/** Steps, preemptions and busy time since the host was made. */
	gauges(): EngineGauges {
		const gauges = this.engine.gauges(this.catchUp());
		this.settle();
		const { before } = this;
		return {
			...gauges,
			steps: before.steps + gauges.steps,
			preemptions: before.preemptions + gauges.preemptions,
			busyUs: before.busyUs + gauges.busyUs,
		};
	}

	/** Takes an engine with nothing in its cache. Nothing may be open. */
	renew(): void {
		assert(this.open.size === 0, 'an engine with open requests is dropped');
		const { steps, preemptions, busyUs } = this.gauges();
		this.before = { steps, preemptions, busyUs };
		this.engine = this.parts.createEngine();
		this.settle();
	}

	freeze(): void {
		if (this.frozenUs !== null) return;
		this.frozenUs = this.catchUp();
		this.settle();
		this.close();
	}

	thaw(): void {
		if (this.frozenUs === null) return;
		this.stoodStillUs = this.parts.clock.nowUs() - this.frozenUs;
		this.frozenUs = null;
		this.settle();
	}

	/** Leaves no timer behind. */
	close(): void {
		this.cancelTimer();
		this.cancelReport();
		this.cancelTimer = noTimer;
		this.cancelReport = noTimer;
		this.wakesUs = Number.POSITIVE_INFINITY;
		this.isReporting = false;
	}

	/**
	 * Carries out what is due, to be followed by `settle`.
	 * @param andNow also what is due at this very moment; not before a submission, for a step takes in all that come at its instant
	 * @returns the present time
	 */
	private catchUp(andNow = true): TimeUs {
		const nowUs = this.nowUs();
		for (
			let dueUs = this.engine.nextUs();
			andNow ? dueUs <= nowUs : dueUs < nowUs;
			dueUs = this.engine.nextUs()
		)
			this.events.push(...this.engine.advance(dueUs));
		return nowUs;
	}

	/** Sets the timers and tells of what ended. Listeners may submit and abort: nothing may come after it. */
	private settle(): void {
		this.setTimer();
		this.reportLater();
		for (let event = this.events.shift(); event !== undefined; event = this.events.shift()) this.tell(event);
	}

	private tell(event: EngineEvent): void {
		const open = this.open.get(event.id);
		if (open === undefined) return;
		this.forget(open);
		if (event.kind === 'rejected') open.listener.onRejected(event.reason);
		else open.listener.onFinished(event);
	}

	private forget(open: OpenRequest): void {
		this.open.delete(open.id);
		this.silent.delete(open);
	}

	/** Carries out what is due, and tells those of `requests` who listen of their new tokens. */
	private report(requests: Iterable<OpenRequest>): void {
		const nowUs = this.catchUp();
		const grown: OpenRequest[] = [];
		for (const open of requests) {
			const tokens = open.listener.isStreamed ? this.engine.outputTokens(open.id, nowUs) : undefined;
			if (tokens === undefined || tokens <= open.reportedTokens) continue;
			open.reportedTokens = tokens;
			this.silent.delete(open);
			grown.push(open);
		}
		this.settle();
		for (const open of grown)
			if (this.open.get(open.id) === open) open.listener.onTokens(open.reportedTokens);
	}

	/** Sets the timer to the engine's next moment. */
	private setTimer(): void {
		const nextUs = this.engine.nextUs();
		if (this.frozenUs !== null || nextUs === this.wakesUs) return;
		this.cancelTimer();
		this.cancelTimer = noTimer;
		this.wakesUs = nextUs;
		if (nextUs === Number.POSITIVE_INFINITY) return;
		this.cancelTimer = this.parts.clock.after(Math.max(0, nextUs - this.nowUs()), () => {
			this.wakesUs = Number.POSITIVE_INFINITY;
			this.report(this.parts.reportEveryUs === 0 ? this.open.values() : this.silent);
		});
	}

	/** Reports at intervals as long as somebody may listen. */
	private reportLater(): void {
		const { reportEveryUs, clock } = this.parts;
		if (this.frozenUs !== null || reportEveryUs === 0 || this.isReporting || this.open.size === 0) return;
		this.isReporting = true;
		this.cancelReport = clock.after(reportEveryUs, () => {
			this.isReporting = false;
			this.report(this.open.values());
		});
	}
}

interface OpenRequest {
	readonly id: string;
	readonly listener: RequestListener;
	reportedTokens: number;
}

const noTimer = (): void => undefined;
