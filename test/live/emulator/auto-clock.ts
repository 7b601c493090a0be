import type { LiveClock } from '../../../live/clock.ts';

interface Timer {
	readonly atUs: number;
	readonly order: number;
	readonly callback: () => void;
}

/**
 * A clock that goes to the next timer whenever the process has nothing else to do: engine time passes without anybody waiting for it,
 * one timer after the other, and stands still while there is none.
 */
export class AutoClock implements LiveClock {
	readonly speed: number;
	private timeUs = 0;
	private order = 0;
	private readonly timers = new Set<Timer>();
	private isTurning = false;
	private isHeld = false;

	/** @param speed what the emulator is told; time passes as quickly anyhow */
	constructor(speed = 1) {
		this.speed = speed;
	}

	nowUs(): number {
		return this.timeUs;
	}

	after(delayUs: number, callback: () => void): () => void {
		const timer = { atUs: this.timeUs + delayUs, order: this.order++, callback };
		this.timers.add(timer);
		this.turn();
		return () => this.timers.delete(timer);
	}

	/** Lets time stand still, or go on. */
	hold(isHeld: boolean): void {
		this.isHeld = isHeld;
		this.turn();
	}

	/** Timers that wait. */
	get pendingCount(): number {
		return this.timers.size;
	}

	/** Moves a held clock on, timer by timer. */
	pass(durationUs: number): void {
		const endUs = this.timeUs + durationUs;
		for (let next = this.next(); next !== undefined && next.atUs <= endUs; next = this.next())
			this.fire(next);
		this.timeUs = endUs;
	}

	/** Moves a held clock without calling anybody, as a process does that was not given the processor. */
	oversleep(durationUs: number): void {
		this.timeUs += durationUs;
	}

	private turn(): void {
		if (this.isTurning || this.isHeld) return;
		this.isTurning = true;
		// Two turns of the loop: what arrived on a socket meanwhile is read before time passes.
		setImmediate(() =>
			setImmediate(() => {
				this.isTurning = false;
				const next = this.isHeld ? undefined : this.next();
				if (next === undefined) return;
				this.fire(next);
				this.turn();
			}),
		);
	}

	private fire(timer: Timer): void {
		this.timers.delete(timer);
		this.timeUs = Math.max(this.timeUs, timer.atUs);
		timer.callback();
	}

	private next(): Timer | undefined {
		let first: Timer | undefined;
		for (const timer of this.timers)
			if (
				first === undefined ||
				timer.atUs < first.atUs ||
				(timer.atUs === first.atUs && timer.order < first.order)
			)
				first = timer;
		return first;
	}
}
