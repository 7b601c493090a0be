import { leastOf } from './least-of.ts';

/** What computing a sequence of x tokens from the start costs beyond one seat and one token, at least; with a prefix cache, its last block. */
export interface Computing {
	readonly perTokenUs: number;
	/** So many cost nothing. */
	readonly freeTokens: number;
	/** All full blocks may be found in the prefix cache: only what stands behind the last of them costs. Null without one. */
	readonly blockTokens: number | null;
}

/**
 * Sum over decodes i = 0 to count - 1, with x = promptTokens + i, of `perDecode + perContext x`, or of what computing the x + 1 tokens again
 * costs beyond one, where that is less.
 */
export function decodeUs(
	perDecodeUs: number,
	perContextUs: number,
	promptTokens: number,
	count: number,
	again: Computing,
): number {
	if (again.blockTokens !== null)
		return cachedDecodeUs(
			perDecodeUs,
			perContextUs,
			promptTokens,
			count,
			again.perTokenUs,
			again.blockTokens,
		);
	const { perTokenUs, freeTokens } = again;
	const decoding = (from: number, to: number): number =>
		perDecodeUs * (to - from) + perContextUs * sumOfRange(from, to);
	// x + 1 tokens less the free ones.
	const resuming = (low: number, high: number): number => {
		const first = Math.min(high, Math.max(low, Math.ceil(freeTokens - 1)));
		return perTokenUs * (sumOfRange(first, high) - (freeTokens - 1) * (high - first));
	};
	const from = promptTokens;
	const to = promptTokens + count;
	// Resuming starts lower and grows faster, or it is the cheaper one throughout.
	const gainUs = perTokenUs - perContextUs;
	if (gainUs <= 0) return resuming(from, to);
	const crossing = Math.ceil((perDecodeUs + perTokenUs * (freeTokens - 1)) / gainUs);
	const middle = Math.min(to, Math.max(from, crossing));
	return resuming(from, middle) + decoding(middle, to);
}

/** Of the x + 1 tokens only the x mod block that follow the last full block, and one more, are not in the cache. One residue after the other. */
function cachedDecodeUs(
	perDecodeUs: number,
	perContextUs: number,
	promptTokens: number,
	count: number,
	perTokenUs: number,
	blockTokens: number,
): number {
	if (perTokenUs === 0) return 0;
	let sumUs = 0;
	for (let offset = 0; offset < Math.min(blockTokens, count); offset++) {
		const first = promptTokens + offset;
		const terms = Math.ceil((count - offset) / blockTokens);
		const againUs = perTokenUs * (first % blockTokens);
		// Decoding is the cheaper one for contexts up to this.
		const crossing = perContextUs === 0 ? Number.POSITIVE_INFINITY : (againUs - perDecodeUs) / perContextUs;
		const decodes =
			againUs <= perDecodeUs
				? 0
				: Math.min(terms, Math.max(0, Math.floor((crossing - first) / blockTokens) + 1));
		const contexts = decodes * first + (blockTokens * decodes * (decodes - 1)) / 2;
		sumUs += perDecodeUs * decodes + perContextUs * contexts + againUs * (terms - decodes);
	}
	return sumUs;
}

/** No more than any of these. */
export function leastComputing(computings: readonly Computing[]): Computing {
	const blocks = new Set(computings.map(({ blockTokens }) => blockTokens));
	const [block = null] = blocks;
	return {
		perTokenUs: leastOf(computings, ({ perTokenUs }) => perTokenUs),
		freeTokens: Math.max(...computings.map(({ freeTokens }) => freeTokens)),
		// Where they differ, everything may be in the cache.
		blockTokens: blocks.size > 1 ? 1 : block,
	};
}

/** from + (from + 1) + ... + (to - 1). */
export const sumOfRange = (from: number, to: number): number => ((to - from) * (from + to - 1)) / 2;
