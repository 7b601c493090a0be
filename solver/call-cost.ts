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
	/** Whether each prompt token is computed; with a prefix cache all but one may be found there. */
	readonly countsPrompt: boolean;
	/**
	 * Price per token of computing a preempted sequence again, which gives its next token without decoding; null when no
	 * preemption can happen.
	 */
	readonly resumePerTokenUs: number | null;
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
 */
export function chargesOf(profile: ReplicaProfile, calls: readonly CallSize[], preemption: boolean): Charges {
	const { engine } = profile;
	const candidates = formsOf(profile).flatMap((form) => waysToCharge(form, engine, preemption));
	let best = candidates[0] as Charges;
	let bestUs = -1;
	for (const charges of candidates) {
		const sumUs = calls.reduce((sum, call) => sum + workUs(charges, call), 0);
		if (sumUs <= bestUs) continue;
		best = charges;
		bestUs = sumUs;
	}
	return best;
}

function waysToCharge(form: StepForm, engine: EngineConfig, preemption: boolean): readonly Charges[] {
	const { fixedUs, perTokenOverKneeUs: slopeUs } = form;
	const budget = engine.maxNumBatchedTokens;
	const knee = Math.min(budget, Math.max(1, form.kneeTokens));
	const mostSequences = Math.min(engine.maxNumSeqs, budget);
	const heldTokens = (engine.numGpuBlocks - 1) * engine.blockSize;
	const way = (byToken: number, byHeld: number): Charges => {
		const overUs = slopeUs * Math.max(0, budget - form.kneeTokens);
		// With a knee below one token every token is over it: the smallest step is one token.
		const atKneeUs = (byToken * fixedUs + slopeUs * Math.max(0, knee - form.kneeTokens)) / knee;
		const perTokenUs = Math.min(atKneeUs, (byToken * fixedUs + overUs) / budget);
		return {
			perSequenceUs: form.perSequenceUs + ((1 - byToken - byHeld) * fixedUs) / mostSequences,
			perTokenUs,
			perHeldUs: (byHeld * fixedUs) / heldTokens,
			perDecodeUs: form.perDecodeUs,
			perContextUs: form.perContextUs,
			countsPrompt: !engine.prefixCaching,
			resumePerTokenUs: preemption ? (engine.prefixCaching ? 0 : perTokenUs) : null,
		};
	};
	const atKink = fixedUs === 0 ? 0 : Math.min(1, (slopeUs * form.kneeTokens) / fixedUs);
	const parts = [0, atKink, 1];
	return parts.flatMap((byToken) =>
		engine.prefixCaching ? [way(byToken, 0)] : [way(byToken, 0), way(byToken, 1 - byToken)],
	);
}

/**
 * Engine time charged to one call, at least. Each of its O tokens comes from a step of its own in which it is one sequence: the first
 * from its prompt's last chunk, the others from decoding, with P + j - 1 tokens of context before and P + j held after for token j = 1 to O - 1.
 * After a preemption a token may instead come from computing everything again, which costs no decode but all tokens; the cheaper is charged.
 */
export function workUs(charges: Charges, { promptTokens, outputTokens }: CallSize): number {
	const decodes = outputTokens - 1;
	const heldTokens = outputTokens * promptTokens + (decodes * outputTokens) / 2;
	return (
		charges.perSequenceUs * outputTokens +
		charges.perTokenUs * ((charges.countsPrompt ? promptTokens : 1) + decodes) +
		charges.perHeldUs * heldTokens +
		decodeUs(charges.perDecodeUs, charges.perContextUs, promptTokens, decodes, charges.resumePerTokenUs, 0)
	);
}

/**
 * Time of one call alone on an engine, at least: its prompt in the best chunks, then a step for each further token.
 * A step that resumes a preempted sequence of L tokens takes F and at least (L - knee) x min(F / knee, k) more, in one chunk or several.
 */
export function latencyUs(
	profile: ReplicaProfile,
	{ promptTokens, outputTokens }: CallSize,
	preemption: boolean,
): number {
	const { engine } = profile;
	const computed = engine.prefixCaching ? 1 : promptTokens;
	return Math.max(
		...formsOf(profile).map((form) => {
			const resumeUs = engine.prefixCaching
				? 0
				: Math.min(form.fixedUs / Math.max(1, form.kneeTokens), form.perTokenOverKneeUs);
			const decodes = outputTokens - 1;
			return (
				promptUs(form, computed, engine.maxNumBatchedTokens) +
				decodes * (form.fixedUs + form.perSequenceUs) +
				decodeUs(
					form.perDecodeUs,
					form.perContextUs,
					promptTokens,
					decodes,
					preemption ? resumeUs : null,
					form.kneeTokens,
				)
			);
		}),
	);
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
 * Sum over decodes i = 0 to count - 1, with x = promptTokens + i, of `perDecode + perContext x`, or of
 * `resumePerToken max(0, x - free)` where that is less and not null.
 */
function decodeUs(
	perDecodeUs: number,
	perContextUs: number,
	promptTokens: number,
	count: number,
	resumePerTokenUs: number | null,
	freeTokens: number,
): number {
	const decoding = (from: number, to: number): number =>
		perDecodeUs * (to - from) + perContextUs * sumOfRange(from, to);
	const from = promptTokens;
	const to = promptTokens + count;
	if (resumePerTokenUs === null) return decoding(from, to);
	const resuming = (low: number, high: number): number => {
		const first = Math.min(high, Math.max(low, Math.ceil(freeTokens)));
		return resumePerTokenUs * (sumOfRange(first, high) - freeTokens * (high - first));
	};
	// Resuming starts lower and grows faster, or it is the cheaper one throughout.
	const gainUs = resumePerTokenUs - perContextUs;
	if (gainUs <= 0) return resuming(from, to);
	const crossing = Math.ceil((perDecodeUs + resumePerTokenUs * freeTokens) / gainUs);
	const middle = Math.min(to, Math.max(from, crossing));
	return resuming(from, middle) + decoding(middle, to);
}

/** from + (from + 1) + ... + (to - 1). */
const sumOfRange = (from: number, to: number): number => ((to - from) * (from + to - 1)) / 2;

/**
 * Whether KV memory can ever run out: whether the largest calls that fit in one batch, all at their full length, need more blocks than there
 * are. Asynchronous scheduling may take one position more for a token in flight.
 */
export function canPreempt(engine: EngineConfig, calls: readonly CallSize[]): boolean {
	const blocks = calls.map(({ promptTokens, outputTokens }) =>
		Math.ceil((promptTokens + outputTokens + 1) / engine.blockSize),
	);
	const largest = blocks.sort((a, b) => b - a).slice(0, engine.maxNumSeqs);
	return largest.reduce((sum, count) => sum + count, 0) > engine.numGpuBlocks - 1;
}
