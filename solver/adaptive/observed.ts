import type { ObservedLengths } from '../../sim/domain/scheduler.ts';
import { type LengthTable, survival } from './lengths.ts';

/** Ends that must have been seen before lengths are judged by them. */
const ENOUGH = 30;

/** Lengths are not thought to be off by more than this factor. */
const MOST = 4;

/**
 * The factor by which outputs are longer than expected: such that, stretched by it, the expected lengths foresee as many ends among all calls so far,
 * running ones included, as there were. Calls that still run count by how far they have come; to look at ended ones alone would favour short ones.
 * The expected number of ends is the sum of cumulative hazards (the compensator of a counting process), whatever the distribution.
 * @source Aalen, "Nonparametric inference for a family of counting processes", Annals of Statistics 6(4), 1978
 * @returns 1 as long as too little was seen
 */
export function stretchOf(lengths: LengthTable, observed: ObservedLengths | undefined): number {
	const ends = observed?.finishedTokens.length ?? 0;
	if (observed === undefined || ends < ENOUGH) return 1;
	const foreseen = (stretch: number): number =>
		[...observed.finishedTokens, ...observed.openTokens].reduce(
			(sum, tokens) => sum + hazard(lengths, tokens / stretch),
			0,
		);
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

/** Cumulative hazard, the logarithm of how few reach so many tokens; past the last known length as if half a call still did. */
const hazard = (lengths: LengthTable, tokens: number): number =>
	-Math.log(Math.max(survival(lengths, 0, tokens), 0.5 / lengths.length));

const STEPS = 30;

/** @param limitTokens that outputs end at whatever their length */
export const stretched = (lengths: LengthTable, stretch: number, limitTokens: number): LengthTable =>
	stretch === 1
		? lengths
		: lengths.map((tokens) => Math.max(1, Math.min(limitTokens, Math.round(tokens * stretch))));
