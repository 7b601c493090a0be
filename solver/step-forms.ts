import type { ReplicaProfile, StepCost } from '../sim/domain/model.ts';

/**
 * Part of a step's time as a formula: `fixed + perSequence*s + perTokenOverKnee*max(0, n - knee) + perDecode*d + perContext*S`, with s
 * sequences and n tokens in the step, d of them decoding with S context tokens before the step. Microseconds.
 */
export interface StepForm {
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

/** Which of a profile's forms: the GPUs' time, or the host's, in one with theirs where steps are synchronous. */
export type FormKind = 'gpu' | 'host';

export const FORM_KINDS: readonly FormKind[] = ['gpu', 'host'];

export const formOf = (profile: Pick<ReplicaProfile, 'step' | 'engine'>, kind: FormKind): StepForm =>
	formsOf(profile).at(kind === 'gpu' ? 0 : -1) as StepForm;

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
