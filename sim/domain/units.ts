/** Whole microseconds since the start of the run. The one clock unit of the simulator. */
export type TimeUs = number;

const US_PER_SECOND = 1_000_000;
const US_PER_MILLISECOND = 1_000;

/** @returns whole microseconds, rounded to nearest */
export const usFromSeconds = (seconds: number): TimeUs => Math.round(seconds * US_PER_SECOND);
export const usFromMilliseconds = (milliseconds: number): number => milliseconds * US_PER_MILLISECOND;
export const secondsFromUs = (timeUs: TimeUs): number => timeUs / US_PER_SECOND;
