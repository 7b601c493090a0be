import type { ObservedCall } from '../../sim/domain/scheduler.ts';
import { countUpTo, type LengthTable } from './lengths.ts';

/** Ends that must have been seen before lengths are judged by them. */
const ENOUGH = 30;

/** Lengths are not thought to be off by more than this factor. */
const MOST = 4;

/** A call, and the lengths that were to be expected of it. */
export interface Judged extends Pick<ObservedCall, 'hasFinished' | 'tokens'> {
	readonly expected: LengthTable;
}

/**
 * The factor by which outputs are longer than expected: such that, stretched by it, the expected lengths foresee as many ends among all calls so far,
 * running ones included, as there were. Calls that still run count by how far they have come; to look at ended ones alone would favour short ones.
 * The expected number of ends is the sum of cumulative hazards (the compensator of a counting process), whatever the distribution, and whatever
 * chose the calls that have begun, as long as each is judged by what was expected of it when it began.
 * @source Aalen, "Nonparametric inference for a family of counting processes", Annals of Statistics 6(4), 1978
 * @param limitTokens that outputs end at whatever their length
 * @returns 1 as long as too little was seen
 */
export function stretchOf(calls: readonly Judged[], limitTokens: number): number {
	const ends = calls.reduce((sum, { hasFinished }) => sum + Number(hasFinished), 0);
	if (ends < ENOUGH) return 1;
	const foreseen = (stretch: number): number =>
		calls.reduce((sum, { expected, tokens }) => sum + hazard(expected, tokens, stretch, limitTokens), 0);
	let low = 1 / MOST;
	let high = MOST;
	for (let step = 0; step < STEPS; step++) {
		const middle = Math.sqrt(low * high);
		// The longer calls are thought to be, the fewer ends are foreseen.
		if (foreseen(middle) > ends) low = middle;
		else high = middle;
	}
	return Math.sqrt(low * high);
}

/** Cumulative hazard of a length: of each entry up to it, its share of those that are no shorter. All that reach the limit end there. */
function hazard(lengths: LengthTable, tokens: number, stretch: number, limitTokens: number): number {
	const sums = cumulativeHazards(lengths);
	if (tokens < limitTokens) return sums[countUpTo(lengths, tokens / stretch)] ?? 0;
	const below = countUpTo(lengths, Math.ceil(limitTokens / stretch) - 1);
	return (sums[below] ?? 0) + (below < lengths.length ? 1 : 0);
}

const knownHazards = new WeakMap<LengthTable, readonly number[]>();

/** `[n]`: up to the n-th entry, equal ones included. */
function cumulativeHazards(lengths: LengthTable): readonly number[] {
	let sums = knownHazards.get(lengths);
	if (sums === undefined) {
		const made = [0];
		for (let from = 0; from < lengths.length; ) {
			const to = countUpTo(lengths, lengths[from] as number);
			const sum = (made[from] ?? 0) + (to - from) / (lengths.length - from);
			for (; from < to; from++) made.push(sum);
		}
		sums = made;
		knownHazards.set(lengths, sums);
	}
	return sums;
}

const STEPS = 30;

/** @param limitTokens that outputs end at whatever their length */
export const stretched = (lengths: LengthTable, stretch: number, limitTokens: number): LengthTable =>
	lengths.map((tokens) => Math.max(1, Math.min(limitTokens, Math.round(tokens * stretch))));
