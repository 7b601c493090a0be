/** How bold a gate may be in each respect, rung by rung. */
import type { PastQuery } from '../domain/calibration.ts';
import type { ModelId } from '../domain/ids.ts';
import type { ModelClass } from '../domain/model.ts';
import type { Cuts } from './past-row.ts';
import type { SkipScore } from './skip-scores.ts';
import { keyOf, type VoteCases } from './vote-cases.ts';

/** Thresholds of the skip score: none skips, then about a fiftieth of the queries more with each. */
export function skipRungs(past: readonly PastQuery[], cases: VoteCases, score: SkipScore): readonly number[] {
	const sorted = past
		.map(({ slots, answers }) => score(cases.of(slots, keyOf(slots), answers)))
		.filter(Number.isFinite)
		.sort((a, b) => a - b);
	const stride = Math.max(1, Math.floor(sorted.length / SKIP_RUNGS));
	const rungs = sorted.filter((_, i) => i % stride === stride - 1 || i === sorted.length - 1);
	return [Number.NEGATIVE_INFINITY, ...new Set(rungs)];
}

/** Tokens at which the calls of each class, and the aggregator's, may be cut, falling from the longest that was seen. */
export function cutRungs(
	past: readonly PastQuery[],
	classOf: (model: ModelId) => ModelClass | null,
): Readonly<Record<keyof Cuts, readonly number[]>> {
	const longest: Record<keyof Cuts, number> = { reasoning: 0, instruct: 0, aggregator: 0 };
	for (const { slots, outputTokens, aggregator } of past) {
		for (const [slot, model] of slots.entries()) {
			const who = classOf(model);
			if (who !== null) longest[who] = Math.max(longest[who], outputTokens[slot] ?? 0);
		}
		longest.aggregator = Math.max(longest.aggregator, aggregator?.outputTokens ?? 0);
	}
	const upTo = (most: number): readonly number[] => CUT_TOKENS.filter((tokens) => tokens <= most);
	return {
		reasoning: upTo(longest.reasoning),
		instruct: upTo(longest.instruct),
		aggregator: upTo(longest.aggregator),
	};
}

/** Tokens that one in twenty of the calls of a class reaches: of what a cut does to votes, that many show enough. */
export function longOutputs(
	past: readonly PastQuery[],
	classOf: (model: ModelId) => ModelClass | null,
): (query: PastQuery, slot: number) => number {
	const tokens: Record<ModelClass, number[]> = { reasoning: [], instruct: [] };
	for (const { slots, outputTokens } of past)
		for (const [slot, model] of slots.entries()) {
			const who = classOf(model);
			if (who !== null) tokens[who].push(outputTokens[slot] ?? 0);
		}
	const long = (all: readonly number[]): number =>
		all.toSorted((a, b) => b - a)[Math.floor(all.length / 20)] ?? Number.POSITIVE_INFINITY;
	const limits = { reasoning: long(tokens.reasoning), instruct: long(tokens.instruct) };
	return ({ slots }, slot) => {
		const who = classOf(slots[slot] as ModelId);
		return who === null ? Number.POSITIVE_INFINITY : limits[who];
	};
}

const SKIP_RUNGS = 50;

const CUT_TOKENS: readonly number[] = [
	30_000, 28_000, 26_000, 24_000, 22_000, 20_000, 18_000, 16_000, 15_000, 14_000, 13_000, 12_000, 11_000,
	10_000, 9000, 8000, 7500, 7000, 6500, 6000, 5500, 5000, 4500, 4000, 3750, 3500, 3250, 3000, 2750, 2500,
	2250, 2000, 1800, 1600, 1400, 1200, 1000, 900, 800, 700, 600, 500, 450, 400, 350, 300, 250, 200, 150, 100,
];
