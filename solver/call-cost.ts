import type { EngineConfig, ReplicaProfile, StepCost } from '../sim/domain/model.ts';

/** What a lower bound needs to know of a call. */
export interface CallSize {
	readonly promptTokens: number;
	readonly outputTokens: number;
}

/**
 * Part of a step's time as a formula: `fixed + perSequence*s + perTokenOverKnee*max(0, n - knee) + perDecode*d + perContext*S`, with s
 * sequences and n tokens in the step, d of them decoding with S context tokens before the step. Microseconds.
 */
interface StepForm {
	readonly fixedUs: number;
	readonly perSequenceUs: number;
	readonly perTokenOverKneeUs: number;
	readonly kneeTokens: number;
	readonly perDecodeUs: number;
	readonly perContextUs: number;
	readonly perPrefillSquaredUs: number;
}

/**
 * Forms that a step takes at least. Synchronous: one, host and GPU time in sum. Asynchronous: the host's and the GPU's time, each of
 * which a step takes at least.
 */
function formsOf({ step, engine }: Pick<ReplicaProfile, 'step' | 'engine'>): readonly StepForm[] {
	const host = hostForm(step);
	const gpu = gpuForm(step);
	if (engine.asyncScheduling) return [gpu, host];
	return [{ ...gpu, fixedUs: host.fixedUs + gpu.fixedUs, perSequenceUs: host.perSequenceUs }];
}

const hostForm = ({ hostUs, hostPerSequenceUs }: StepCost): StepForm => ({
	fixedUs: hostUs,
	perSequenceUs: hostPerSequenceUs,
	perTokenOverKneeUs: 0,
	kneeTokens: 1,
	perDecodeUs: 0,
	perContextUs: 0,
	perPrefillSquaredUs: 0,
});

const gpuForm = (step: StepCost): StepForm => ({
	fixedUs: step.baseUs + step.allReduceUs,
	perSequenceUs: 0,
	perTokenOverKneeUs: step.perTokenOverKneeUs,
	kneeTokens: step.kneeTokens,
	perDecodeUs: step.perDecodeSequenceUs,
	perContextUs: step.perContextTokenUs,
	perPrefillSquaredUs: step.perPrefillTokenSquaredUs,
});

/** What computing a sequence of x tokens from the start costs beyond one seat and one token, at least; with a prefix cache, its last block. */
interface Computing {
	readonly perTokenUs: number;
	/** So many cost nothing. */
	readonly freeTokens: number;
	/** All full blocks may be found in the prefix cache: only what stands behind the last of them costs. Null without one. */
	readonly blockTokens: number | null;
}

/**
 * Prices under which the calls in any one step are charged no more than the step takes:
 * `perSequence` for each sequence in it, `perToken` for each token, `perHeld` for each KV position that its sequences hold after it, and
 * `perDecode + perContext * context` for each decoding one. Microseconds of the engine, all its GPUs at once.
 */
export interface Charges {
	readonly perSequenceUs: number;
	readonly perTokenUs: number;
	readonly perHeldUs: number;
	readonly perDecodeUs: number;
	readonly perContextUs: number;
	readonly computing: Computing;
}

/**
 * The best of several ways to divide a step's fixed time F among its calls. A step holds s <= B sequences (max_num_seqs; each has at least
 * one of at most T tokens of the budget), n <= T tokens, and its sequences hold at most V KV positions together. So for any
 * parts a + b + h = 1 of F:
 *
 *     F + k max(0, n - knee) >= a F s / B + p(b) n + h F held / V,   p(b) = min over n <= T of (b F + k max(0, n - knee)) / n
 *
 * where the minimum lies at n = knee or n = T. p grows with slope 1/knee up to b* = k knee / F, where it is k, and with slope 1/T beyond; the
 * charge of a fixed set of calls is linear in a, b, h on either side of b*, so that its maximum lies at b = 0, b* or 1 with the
 * rest given to a or h alone. These are tried and the best for `calls` kept; each alone is valid. The quadratic part of a step is left
 * out: chunks may be as small as they like. Sequences share KV blocks under a prefix cache, so h = 0 there.
 *
 * With p = 0, what lies over the knee is left to charge. A chunk of c tokens costs k (c - knee) more where c > knee, as the chunks of a step
 * together lie over the knee by no less. So x tokens in m chunks cost, beyond one seat of price S, at least
 * (m - 1) S + k max(0, x - m knee) >= min(S / knee, k) (x - knee), whatever m.
 */
export function chargesOf(profile: ReplicaProfile, calls: readonly CallSize[]): Charges {
	const { engine } = profile;
	const candidates = formsOf(profile).flatMap((form) => waysToCharge(form, engine));
	let best = candidates[0] as Charges;
	let bestUs = -1;
	for (const charges of candidates) {
		const sumUs = calls.reduce((sum, call) => sum + workUs([charges], call), 0);
		if (sumUs <= bestUs) continue;
		best = charges;
		bestUs = sumUs;
	}
	return best;
}

function waysToCharge(form: StepForm, engine: EngineConfig): readonly Charges[] {
	const { fixedUs, perTokenOverKneeUs: slopeUs } = form;
	const budget = engine.maxNumBatchedTokens;
	const knee = Math.min(budget, Math.max(1, form.kneeTokens));
	const mostSequences = Math.min(engine.maxNumSeqs, budget);
	const heldTokens = (engine.numGpuBlocks - 1) * engine.blockSize;
	const blockTokens = engine.prefixCaching ? engine.blockSize : null;
	const way = (byToken: number, byHeld: number): Charges => {
		const overUs = slopeUs * Math.max(0, budget - form.kneeTokens);
		// With a knee below one token every token is over it: the smallest step is one token.
		const atKneeUs = (byToken * fixedUs + slopeUs * Math.max(0, knee - form.kneeTokens)) / knee;
		const perTokenUs = Math.min(atKneeUs, (byToken * fixedUs + overUs) / budget);
		const perSequenceUs = form.perSequenceUs + ((1 - byToken - byHeld) * fixedUs) / mostSequences;
		const overKnee = { perTokenUs: Math.min(perSequenceUs / knee, slopeUs), freeTokens: knee, blockTokens };
		return {
			perSequenceUs,
			perTokenUs,
			perHeldUs: (byHeld * fixedUs) / heldTokens,
			perDecodeUs: form.perDecodeUs,
			perContextUs: form.perContextUs,
			computing: perTokenUs > 0 ? { perTokenUs, freeTokens: 1, blockTokens } : overKnee,
		};
	};
	const atKink = fixedUs === 0 ? 0 : Math.min(1, (slopeUs * form.kneeTokens) / fixedUs);
	const parts = [0, atKink, 1];
	return parts.flatMap((byToken) =>
		engine.prefixCaching ? [way(byToken, 0)] : [way(byToken, 0), way(byToken, 1 - byToken)],
	);
}

/**
 * Time charged to one call, at least. Each of its O tokens comes from a step of its own in which it is one sequence: the first
 * from its prompt's last chunk, the others from decoding, with P + j - 1 tokens of context before and P + j held after for token j = 1 to O - 1.
 * After a preemption or a move a token may instead come from computing everything again, which costs no decode but all tokens; the cheaper
 * is charged. A call may move between engines of several charges: seat, token and KV memory are charged where they are cheapest together, token by
 * token; what it computes and reads, each where it is cheapest.
 */
export function workUs(charges: readonly Charges[], { promptTokens, outputTokens }: CallSize): number {
	const lines = charges.map(
		({ perSequenceUs, perTokenUs, perHeldUs }): Line => ({
			at0: perSequenceUs + perTokenUs,
			slope: perHeldUs,
		}),
	);
	const computing = leastComputing(charges.map((one) => one.computing));
	return (
		sumOfLeast(lines, promptTokens, promptTokens + outputTokens) +
		promptWorkUs(computing, promptTokens) +
		decodeUs(
			leastOf(charges, ({ perDecodeUs }) => perDecodeUs),
			leastOf(charges, ({ perContextUs }) => perContextUs),
			promptTokens,
			outputTokens - 1,
			computing,
		)
	);
}

interface Line {
	readonly at0: number;
	readonly slope: number;
}

/** Sum over x = from to `to` - 1 of the least of some lines. */
function sumOfLeast(lines: readonly Line[], from: number, to: number): number {
	const at = ({ at0, slope }: Line, x: number): number => at0 + slope * x;
	let sum = 0;
	for (let x = from; x < to; ) {
		let least = lines[0] as Line;
		for (const line of lines) if (at(line, x) < at(least, x)) least = line;
		// Until a flatter one is below it.
		let next = to;
		for (const line of lines)
			if (line.slope < least.slope)
				next = Math.min(
					next,
					Math.max(x + 1, Math.ceil((line.at0 - least.at0) / (least.slope - line.slope))),
				);
		sum += least.at0 * (next - x) + least.slope * sumOfRange(x, next);
		x = next;
	}
	return sum;
}

/** All charges times a price. */
export const pricedCharges = (charges: Charges, price: number): Charges => ({
	perSequenceUs: price * charges.perSequenceUs,
	perTokenUs: price * charges.perTokenUs,
	perHeldUs: price * charges.perHeldUs,
	perDecodeUs: price * charges.perDecodeUs,
	perContextUs: price * charges.perContextUs,
	computing: { ...charges.computing, perTokenUs: price * charges.computing.perTokenUs },
});

/** Smallest value; 0 for no option, which bounds nothing. */
export const leastOf = <T>(items: readonly T[], value: (item: T) => number): number =>
	items.length === 0 ? 0 : items.reduce((low, item) => Math.min(low, value(item)), Number.POSITIVE_INFINITY);

/** With a prefix cache, a prompt may be there already but for one token. */
const promptWorkUs = ({ perTokenUs, freeTokens, blockTokens }: Computing, promptTokens: number): number =>
	blockTokens === null ? perTokenUs * Math.max(0, promptTokens - freeTokens) : 0;

/**
 * Time of one call alone on engines of these profiles, between which it may move as it likes, at least: its prompt in the best chunks, then a step for
 * each further token, each part where it is quickest.
 * A step that computes L tokens again, after a preemption or a move, takes F and at least (L - knee) x min(F / knee, k) more, in one chunk
 * or several.
 */
export function latencyUs(
	profiles: readonly ReplicaProfile[],
	{ promptTokens, outputTokens }: CallSize,
): number {
	const decodes = outputTokens - 1;
	const latency = (forms: readonly OwnForm[]): number => {
		const computings = forms.map(({ form, engine }) => computingAlone(form, engine));
		return (
			leastOf(forms, ({ form, engine }) =>
				promptUs(form, engine.prefixCaching ? 1 : promptTokens, engine.maxNumBatchedTokens),
			) +
			decodes * leastOf(forms, ({ form }) => form.fixedUs + form.perSequenceUs) +
			decodeUs(
				leastOf(forms, ({ form }) => form.perDecodeUs),
				leastOf(forms, ({ form }) => form.perContextUs),
				promptTokens,
				decodes,
				leastComputing(computings),
			)
		);
	};
	const own = profiles.map((profile) =>
		formsOf(profile).map((form): OwnForm => ({ form, engine: profile.engine })),
	);
	// One form of each profile is a bound, whichever it is: of the GPUs' time, and of the host's where that runs beside it.
	return Math.max(
		latency(own.flatMap((forms) => forms.slice(0, 1))),
		latency(own.flatMap((forms) => forms.slice(-1))),
	);
}

interface OwnForm {
	readonly form: StepForm;
	readonly engine: EngineConfig;
}

function computingAlone(form: StepForm, { prefixCaching }: EngineConfig): Computing {
	const knee = Math.max(1, form.kneeTokens);
	const perTokenUs = prefixCaching ? 0 : Math.min(form.fixedUs / knee, form.perTokenOverKneeUs);
	return { perTokenUs, freeTokens: knee, blockTokens: null };
}

/** No more than any of these. */
function leastComputing(computings: readonly Computing[]): Computing {
	const blocks = new Set(computings.map(({ blockTokens }) => blockTokens));
	const [block = null] = blocks;
	return {
		perTokenUs: leastOf(computings, ({ perTokenUs }) => perTokenUs),
		freeTokens: Math.max(...computings.map(({ freeTokens }) => freeTokens)),
		// Where they differ, everything may be in the cache.
		blockTokens: blocks.size > 1 ? 1 : block,
	};
}

/** Least time of a prompt alone over all numbers of chunks; equal chunks are best, and the cost is convex in their number. */
function promptUs(form: StepForm, tokens: number, budgetTokens: number): number {
	const cost = (chunks: number): number =>
		chunks * (form.fixedUs + form.perSequenceUs) +
		form.perTokenOverKneeUs * Math.max(0, tokens - chunks * form.kneeTokens) +
		(form.perPrefillSquaredUs * tokens * tokens) / chunks;
	let chunks = Math.ceil(tokens / budgetTokens);
	while (chunks < tokens && cost(chunks + 1) < cost(chunks)) chunks++;
	return cost(chunks);
}

/**
 * Sum over decodes i = 0 to count - 1, with x = promptTokens + i, of `perDecode + perContext x`, or of what computing the x + 1 tokens again
 * costs beyond one, where that is less.
 */
function decodeUs(
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

/** from + (from + 1) + ... + (to - 1). */
const sumOfRange = (from: number, to: number): number => ((to - from) * (from + to - 1)) / 2;
