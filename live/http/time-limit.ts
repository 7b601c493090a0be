import { secondsFromUs, type TimeUs, usFromSeconds } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';

/** Wall seconds for which a busy machine may be silent without anything being wrong. */
const PATIENCE_SECONDS = 10;

/**
 * How long to wait for something that takes `seconds` at most. At high speeds of the run clock a limit would shrink below what processes
 * and sockets need on any machine, so in wall time it is never shorter than the smaller of itself and `patienceSeconds`.
 * @param seconds of the run's clock
 */
export function timeLimitUs(clock: LiveClock, seconds: number, patienceSeconds = PATIENCE_SECONDS): TimeUs {
	return usFromSeconds(Math.max(seconds, Math.min(seconds, patienceSeconds) * clock.speed));
}

/** A limit as people read it, e.g. `0.25 s`. */
export const secondsText = (limitUs: TimeUs): string => `${Number(secondsFromUs(limitUs).toPrecision(3))} s`;
