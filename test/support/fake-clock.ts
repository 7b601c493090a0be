import type { LiveClock } from '../../live/clock.ts';
import type { TimeUs } from '../../sim/domain/units.ts';

interface Timer {
	readonly atUs: TimeUs;
	readonly callback: () => void;
}

/** A run clock that moves when it is told to. */
export class FakeClock implements LiveClock {
	readonly speed: number;
	private now: TimeUs = 0;
	private timers: Timer[] = [];
	private watchers: (() => void)[] = [];

	constructor(speed = 1) {
		this.speed = speed;
	}

	nowUs(): TimeUs {
		return this.now;
	}

	after(delayUs: TimeUs, callback: () => void): () => void {
		const timer: Timer = { atUs: this.now + delayUs, callback };
		this.timers.push(timer);
		for (const watcher of this.watchers.splice(0)) watcher();
		return () => {
			this.timers = this.timers.filter((each) => each !== timer);
		};
	}

	/** Lets time pass; what becomes due is called in order, each at its time. */
	advance(seconds: number): void {
		const untilUs = this.now + Math.round(seconds * 1e6);
		for (;;) {
			const [next] = this.timers.filter(({ atUs }) => atUs <= untilUs).sort((a, b) => a.atUs - b.atUs);
			if (next === undefined) break;
			this.timers = this.timers.filter((each) => each !== next);
			this.now = Math.max(this.now, next.atUs);
			next.callback();
		}
		this.now = untilUs;
	}

	/** Resolves when a timer is set that is due in `seconds` from then. */
	async timerOf(seconds: number): Promise<void> {
		const isSet = (): boolean =>
			this.timers.some(({ atUs }) => atUs - this.now === Math.round(seconds * 1e6));
		while (!isSet()) await new Promise<void>((resolve) => this.watchers.push(resolve));
	}
}
