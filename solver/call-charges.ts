import type { EngineConfig, ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall } from '../sim/domain/required-work.ts';
import { type Computing, decodeUs, leastComputing } from './decode-cost.ts';
import { leastOf } from './least-of.ts';
import { leastPath, type MoveCost } from './least-path.ts';
import type { StepForm } from './step-forms.ts';

/** What charges need to know of an engine. */
type Engine = Pick<ReplicaProfile, 'engine'>;

/** What charges need to know of a call. */
export type CallSize = Pick<RequiredCall, 'promptTokens' | 'outputTokens'>;

/**
 * Prices under which the calls in any one step are charged no more than the step takes:
 * `perSequence` for each sequence in it, `perToken` for each token, `perHeld` for each KV position that its sequences hold after it, and
 * `perDecode + perContext * context` for each decoding one. Microseconds of the engine times its price.
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
 * Ways to divide a step's fixed time F among its calls. A step holds s <= B sequences (max_num_seqs; each has at least
 * one of at most T tokens of the budget), n <= T tokens, and its sequences hold at most V KV positions together. So for any
 * parts a + b + h = 1 of F:
 *
 *     F + k max(0, n - knee) >= a F s / B + p(b) n + h F held / V,   p(b) = min over n <= T of (b F + k max(0, n - knee)) / n
 *
 * where the minimum lies at n = knee or n = T. p grows with slope 1/knee up to b* = k knee / F, where it is k, and with slope 1/T beyond:
 * b = 0, b* and 1, each with several shares of the rest for h. The quadratic part of a step is left
 * out: chunks may be as small as they like. Sequences share KV blocks under a prefix cache, so h = 0 there.
 *
 * With p = 0, what lies over the knee is left to charge. A chunk of c tokens costs k (c - knee) more where c > knee, as the chunks of a step
 * together lie over the knee by no less. So x tokens in m chunks cost, beyond one seat of price S, at least
 * (m - 1) S + k max(0, x - m knee) >= min(S / knee, k) (x - knee), whatever m.
 * @param price of this engine's time
 */
export function sharedCharges({ engine }: Engine, form: StepForm, price: number): readonly Charges[] {
	const shares = engine.prefixCaching ? [0] : HELD_SHARES;
	return [...kinksOf(form), 1].flatMap((byToken) =>
		shares.map((share) => {
			const rest = 1 - byToken;
			return divided(form, engine, price, { byToken, byHeld: share * rest, bySequence: (1 - share) * rest });
		}),
	);
}

const HELD_SHARES = [0, 0.25, 0.5, 0.75, 1];

/** Charges of a model's calls when some of them, of which no two are ever in one step, bear F. */
export interface BorneCharges {
	readonly bearers: Charges;
	readonly others: Charges;
}

/**
 * Ways in which bearers pay for F: all of it, or what b* leaves. A step serves at most one of them, so the sum holds; one that serves none
 * has that part of F left over. Where the time of the bearers has a price z too, beside the price p of the engine's, a step D that serves one
 * is worth (p + z) D. Of z D, F and what the bearer adds are charged elsewhere (model-charges.ts), and z times what the others add is left.
 * So they may be charged a share of what sequences and contexts add to a step once more: at most z of it and, for a full step of B sequences and V
 * positions, at most what steps without a bearer have left over.
 * @param price p, of this engine's time
 * @param chainPrice z, of the bearers'
 */
export function borneCharges(
	{ engine }: Engine,
	form: StepForm,
	price: number,
	chainPrice: number,
): readonly BorneCharges[] {
	const { mostSequences, heldTokens } = limitsOf(engine);
	const sequencesUs = mostSequences * (form.perSequenceUs + form.perDecodeUs);
	// Sequences that share blocks may have any number of positions.
	const contextsUs = engine.prefixCaching ? Number.POSITIVE_INFINITY : heldTokens * form.perContextUs;
	const shareOf = (fullUs: number, leftUs: number): number =>
		fullUs === 0 ? 0 : Math.min(chainPrice, leftUs / fullUs);
	return kinksOf(form).flatMap((byToken) => {
		const charges = divided(form, engine, price, { byToken, byHeld: 0, bySequence: 0 });
		const borneUs = price * (1 - byToken) * form.fixedUs;
		const bearers = { ...charges, perSequenceUs: charges.perSequenceUs + borneUs };
		const others = (ofSequences: number, ofContexts: number): Charges => ({
			...charges,
			perSequenceUs: charges.perSequenceUs + ofSequences * form.perSequenceUs,
			perDecodeUs: charges.perDecodeUs + ofSequences * form.perDecodeUs,
			perContextUs: charges.perContextUs + ofContexts * form.perContextUs,
		});
		const ofSequences = shareOf(sequencesUs, borneUs);
		const ways = [others(ofSequences, shareOf(contextsUs, borneUs - ofSequences * sequencesUs))];
		if (Number.isFinite(contextsUs)) {
			const ofContexts = shareOf(contextsUs, borneUs);
			ways.push(others(shareOf(sequencesUs, borneUs - ofContexts * contextsUs), ofContexts));
		}
		return ways.map((way) => ({ bearers, others: way }));
	});
}

/**
 * Time charged to one call, at least. Each of its O tokens comes from a step of its own in which it is one sequence: the first
 * from its prompt's last chunk, with P positions held after, the O - 1 others from decoding, the j-th with P + j - 1 tokens of context before and P + j held after.
 * After a preemption a token may instead come from computing everything again, which costs no decode but all tokens; the cheaper
 * is charged. A call may move between engines of several charges, and has to compute everything again when it does, unless a prefix cache has it:
 * seat, token and KV memory are charged along the cheapest path over engines; what it computes and reads, each where it is cheapest.
 * @param charges one for each kind of engine that it may run on; 0 without any
 */
export function chargesOn(charges: readonly Charges[]): (call: CallSize) => number {
	if (charges.length === 0) return () => 0;
	const computing = leastComputing(charges.map((one) => one.computing));
	const perDecodeUs = leastOf(charges, (one) => one.perDecodeUs);
	const perContextUs = leastOf(charges, (one) => one.perContextUs);
	const pathUs = leastPath(
		charges.map(({ perSequenceUs, perTokenUs, perHeldUs }) => ({
			at0: perSequenceUs + perTokenUs,
			slope: perHeldUs,
		})),
		moveCost(computing, perDecodeUs, perContextUs),
	);
	return ({ promptTokens, outputTokens }) =>
		pathUs(promptTokens, promptTokens + outputTokens) +
		promptWorkUs(computing, promptTokens) +
		decodeUs(perDecodeUs, perContextUs, promptTokens, outputTokens - 1, computing);
}

/** The token after x positions that comes from computing all of them again: what that costs beyond decoding. */
function moveCost(
	{ perTokenUs, freeTokens, blockTokens }: Computing,
	perDecodeUs: number,
	perContextUs: number,
): MoveCost {
	const slope = perTokenUs - perContextUs;
	if (blockTokens !== null || slope <= 0) return { slope: 0, less: 0 };
	return { slope, less: perTokenUs * freeTokens + perDecodeUs - perContextUs };
}

/** With a prefix cache, a prompt may be there already but for one token. */
const promptWorkUs = ({ perTokenUs, freeTokens, blockTokens }: Computing, promptTokens: number): number =>
	blockTokens === null ? perTokenUs * Math.max(0, promptTokens - freeTokens) : 0;

/** Parts of the fixed time that go to tokens, short of all. */
function kinksOf({ fixedUs, perTokenOverKneeUs, kneeTokens }: StepForm): readonly number[] {
	return fixedUs === 0 ? [0] : [0, Math.min(1, (perTokenOverKneeUs * kneeTokens) / fixedUs)];
}

const limitsOf = ({ maxNumSeqs, maxNumBatchedTokens, numGpuBlocks, blockSize }: EngineConfig) => ({
	mostSequences: Math.min(maxNumSeqs, maxNumBatchedTokens),
	heldTokens: (numGpuBlocks - 1) * blockSize,
});

/** Parts of a step's fixed time that are charged to tokens, to KV positions and to sequences; together at most 1. */
interface Parts {
	readonly byToken: number;
	readonly byHeld: number;
	readonly bySequence: number;
}

function divided(
	form: StepForm,
	engine: EngineConfig,
	price: number,
	{ byToken, byHeld, bySequence }: Parts,
): Charges {
	const { fixedUs, perTokenOverKneeUs: slopeUs } = form;
	const { mostSequences, heldTokens } = limitsOf(engine);
	const budget = engine.maxNumBatchedTokens;
	const knee = Math.min(budget, Math.max(1, form.kneeTokens));
	const blockTokens = engine.prefixCaching ? engine.blockSize : null;
	const overUs = slopeUs * Math.max(0, budget - form.kneeTokens);
	// With a knee below one token every token is over it: the smallest step is one token.
	const atKneeUs = (byToken * fixedUs + slopeUs * Math.max(0, knee - form.kneeTokens)) / knee;
	const perTokenUs = price * Math.min(atKneeUs, (byToken * fixedUs + overUs) / budget);
	const perSequenceUs = price * (form.perSequenceUs + (bySequence * fixedUs) / mostSequences);
	const overKneeUs = Math.min(perSequenceUs / knee, price * slopeUs);
	return {
		perSequenceUs,
		perTokenUs,
		perHeldUs: (price * byHeld * fixedUs) / heldTokens,
		perDecodeUs: price * form.perDecodeUs,
		perContextUs: price * form.perContextUs,
		computing:
			perTokenUs > 0
				? { perTokenUs, freeTokens: 1, blockTokens }
				: { perTokenUs: overKneeUs, freeTokens: knee, blockTokens },
	};
}
