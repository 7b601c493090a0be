import type { ExecutorEvent } from '../../sim/core/executor.ts';
import type { LiveClock } from '../clock.ts';
import type { Happening } from '../happening.ts';

export type Untimed<T> = T extends unknown ? Omit<T, 'timeUs'> : never;

/** Happenings on their way to the run loop: stamped and put in order at once, delivered when whoever caused them has returned. */
export class Outbox {
	private readonly clock: LiveClock;
	private readonly deliver: (happening: Happening) => void;
	private waiting: Happening[] = [];
	private closed = false;

	constructor(clock: LiveClock, deliver: (happening: Happening) => void) {
		this.clock = clock;
		this.deliver = deliver;
	}

	/** @param words what comes with it */
	put(event: Untimed<ExecutorEvent>, words: Omit<Happening, 'event'> = {}): void {
		if (this.closed) return;
		const timed = { ...event, timeUs: this.clock.nowUs() } as ExecutorEvent;
		this.waiting.push({ event: timed, ...words });
		if (this.waiting.length === 1) setImmediate(() => this.flush());
	}

	/** Nothing is delivered any more, not even what waits. */
	close(): void {
		this.closed = true;
		this.waiting = [];
	}

	private flush(): void {
		for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) this.deliver(next);
	}
}
