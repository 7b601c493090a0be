import type { EngineConfig, ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall } from '../sim/domain/required-work.ts';
import { type Computing, decodeUs, leastComputing, sumOfRange } from './decode-cost.ts';
import { leastOf } from './least-of.ts';
import { formsOf, type StepForm } from './step-forms.ts';

/** What charges need to know of a call. */
type CallSize = Pick<RequiredCall, 'promptTokens' | 'outputTokens'>;

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

/** All charges times a price. */
export const pricedCharges = (charges: Charges, price: number): Charges => ({
	perSequenceUs: price * charges.perSequenceUs,
	perTokenUs: price * charges.perTokenUs,
	perHeldUs: price * charges.perHeldUs,
	perDecodeUs: price * charges.perDecodeUs,
	perContextUs: price * charges.perContextUs,
	computing: { ...charges.computing, perTokenUs: price * charges.computing.perTokenUs },
});

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

/** With a prefix cache, a prompt may be there already but for one token. */
const promptWorkUs = ({ perTokenUs, freeTokens, blockTokens }: Computing, promptTokens: number): number =>
	blockTokens === null ? perTokenUs * Math.max(0, promptTokens - freeTokens) : 0;
