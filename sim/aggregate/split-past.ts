import { hashShare } from './hash-share.ts';

/** One in so many past queries is learned from: a path needs less than the test. */
export const LEARN_EVERY = 4;

export interface SplitPast<T> {
	readonly learned: readonly T[];
	readonly tested: readonly T[];
}

/**
 * A quarter, rounded up, to learn from and the rest to test on, each in its order. Which is which is drawn by place, the same every time, and has nothing
 * to do with what stands there; taking every fourth would put some experts wholly into one part where the past goes through sets of
 * experts in turn.
 */
export function splitPast<T>(past: readonly T[]): SplitPast<T> {
	const drawn = past
		.map((_, index) => ({ index, share: hashShare(`learn/${index}`) }))
		.sort((a, b) => a.share - b.share || a.index - b.index);
	const chosen = new Set(drawn.slice(0, Math.ceil(past.length / LEARN_EVERY)).map(({ index }) => index));
	return {
		learned: past.filter((_, index) => chosen.has(index)),
		tested: past.filter((_, index) => !chosen.has(index)),
	};
}

/** Past queries of which so many are tested on. */
export const inAll = (tested: number): number => Math.ceil((tested * LEARN_EVERY) / (LEARN_EVERY - 1));
