import type { TimeUs } from '../sim/domain/units.ts';

/** The clock of a live run: microseconds since its start, X times as fast as the wall's at `speed` X (emulator only). A resumed run goes on where it was. */
export interface LiveClock {
	readonly speed: number;
	nowUs(): TimeUs;
	/** Calls back once, `delayUs` of run time from now. @returns cancels it */
	after(delayUs: TimeUs, callback: () => void): () => void;
}

/** @param startUs run time that has passed already, for a resumed run */
export function startClock(speed: number, startUs: TimeUs = 0): LiveClock {
	const zero = performance.now();
	return {
		speed,
		nowUs: () => startUs + Math.round((performance.now() - zero) * 1000 * speed),
		after(delayUs, callback) {
			const milliseconds = delayUs / 1000 / speed;
			// Node fires at once beyond 2^31 ms; nothing here waits three weeks.
			const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1));
			return () => clearTimeout(timer);
		},
	};
}
