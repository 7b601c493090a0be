import type { EngineConfig, ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall } from '../sim/domain/required-work.ts';
import { type Computing, decodeUs, leastComputing } from './decode-cost.ts';
import { leastOf } from './least-of.ts';
import { FORM_KINDS, type FormKind, formOf, type StepForm } from './step-forms.ts';

/**
 * Time of one call alone on engines of these profiles, between which it may move as it likes, at least: its prompt in the best chunks, then a step for
 * each further token, each part where it is quickest.
 * A step that computes L tokens again, after a preemption or a move, takes F and at least (L - knee) x min(F / knee, k) more, in one chunk
 * or several.
 */
export function latencyUs(
	profiles: readonly ReplicaProfile[],
	{ promptTokens, outputTokens }: Pick<RequiredCall, 'promptTokens' | 'outputTokens'>,
	kinds: readonly FormKind[] = FORM_KINDS,
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
	// One form of each profile is a bound, whichever it is: of the GPUs' time, and of the host's where that runs beside it.
	return Math.max(
		...kinds.map((kind) =>
			latency(profiles.map((profile) => ({ form: formOf(profile, kind), engine: profile.engine }))),
		),
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
