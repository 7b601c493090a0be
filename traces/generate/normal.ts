import type { RandomStream } from '../../sim/core/random.ts';
import { normalQuantile } from '../../sim/domain/distribution.ts';

/** One standard normal from exactly one uniform number, so that every use takes the same count from its stream. */
export const normal = (random: RandomStream): number => normalQuantile(Math.max(2 ** -54, random()));

/** Normal score with correlation `r` (0 to 1) to `shared`. */
export const correlated = (shared: number, own: number, r: number): number =>
	Math.sqrt(r) * shared + Math.sqrt(1 - r) * own;
