import { Heap } from 'heap-js';
import { assert } from '../domain/errors.ts';
import type { TimeUs } from '../domain/units.ts';

/**
 * Order of happenings at the same microsecond. Each rank has a reason; swapping two changes results, which test/run/event-queue.test.ts
 * and the pinned digests notice.
 */
export const EVENT_RANK = {
	/** All that dies now is known to every decision made now, and does nothing more. */
	failure: 0,
	/** A plan that is ready now guides every decision made now. */
	plan: 1,
	/** Queries that arrive now are known to every decision made now. */
	arrival: 2,
	/** A replica that becomes ready now may be given work now. */
	replica: 3,
	/** Calls that end now are known before any engine goes on. */
	engine: 4,
	/**
	 * A step that starts now takes all calls dispatched now, as vLLM drains its input queue before it schedules. Steps that end
	 * nobody come here too, so that nothing depends on whether an engine walks from step to step or leaps over them.
	 */
	step: 5,
	/** Gauges are read after everything else of this instant. */
	sample: 6,
} as const;

export type EventRank = (typeof EVENT_RANK)[keyof typeof EVENT_RANK];

interface Entry<T> {
	readonly timeUs: TimeUs;
	readonly rank: EventRank;
	readonly order: number;
	readonly sequence: number;
	readonly value: T;
}

/** Future happenings, ordered by (timeUs, rank, order, order of insertion); no two entries ever tie. */
export class EventQueue<T> {
	private readonly heap = new Heap<Entry<T>>(
		(a, b) => a.timeUs - b.timeUs || a.rank - b.rank || a.order - b.order || a.sequence - b.sequence,
	);
	private sequence = 0;
	private nowUs: TimeUs = 0;

	/**
	 * @param timeUs whole microseconds, not before the last event taken
	 * @param order among those of equal time and rank, where it must not follow from who was put in first
	 */
	push(timeUs: TimeUs, rank: EventRank, value: T, order = 0): void {
		assert(Number.isInteger(timeUs), `event time ${timeUs} is not a whole number of microseconds`);
		assert(timeUs >= this.nowUs, `event at ${timeUs} us lies before the clock, ${this.nowUs} us`);
		this.heap.push({ timeUs, rank, order, sequence: this.sequence++, value });
	}

	/** Takes the next event and moves the clock to it; undefined when nothing is left. */
	pop(): { readonly timeUs: TimeUs; readonly value: T } | undefined {
		const entry = this.heap.pop();
		if (entry !== undefined) this.nowUs = entry.timeUs;
		return entry;
	}

	/** Whether what comes next is of this rank and of this very moment. */
	continuesWith(rank: EventRank): boolean {
		const next = this.heap.peek();
		return next !== undefined && next.timeUs === this.nowUs && next.rank === rank;
	}

	/** Time of the next event; Infinity when nothing is left. */
	nextUs(): TimeUs {
		return this.heap.peek()?.timeUs ?? Number.POSITIVE_INFINITY;
	}
}
