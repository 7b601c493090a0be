import type { StepCost } from '../domain/model.ts';
import type { AggregatorSpec } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { CallRole } from '../domain/work.ts';

/** GPU time that one call takes in the company of others, for weighing what a gate saves: microseconds on one GPU, whole groups counted in full. */
export interface CallWork {
	/** Of a generated token, whatever its context. */
	readonly perTokenUs: number;
	/** Of each token of context behind a generated token. */
	readonly perContextTokenUs: number;
	readonly perPromptTokenUs: number;
	/** Wall time of a generated token of a call alone. */
	readonly aloneTokenUs: number;
}

/** Calls that share one step's fixed time; few enough that long contexts leave room for them. */
const SHARING_CALLS = 64;

/** Generating O tokens behind P of prompt: every token sees the prompt and what came before it. */
export const callWorkUs = (work: CallWork, promptTokens: number, outputTokens: number): number =>
	work.perPromptTokenUs * promptTokens +
	work.perTokenUs * outputTokens +
	work.perContextTokenUs * (promptTokens * outputTokens + outputTokens ** 2 / 2);

/** By model and role, from the profiles of the first GPU type that has one. */
export function workOf(
	setup: Pick<Setup, 'profiles' | 'aggregator'>,
): (model: string, role: CallRole) => CallWork {
	const known = new Map<string, CallWork>();
	return (model, role) => {
		const key = `${role}/${model}`;
		let work = known.get(key);
		if (work === undefined) {
			work = profiledWork(setup, model, gpusOf(setup.aggregator, role));
			known.set(key, work);
		}
		return work;
	};
}

const gpusOf = (aggregator: AggregatorSpec | null, role: CallRole): number =>
	role === 'aggregator' ? (aggregator?.tensorParallel ?? 1) : 1;

function profiledWork(
	{ profiles }: Pick<Setup, 'profiles'>,
	model: string,
	tensorParallel: number,
): CallWork {
	const own = profiles.filter((profile) => profile.model === model);
	const profile = own.find((each) => each.tensorParallel === tensorParallel) ?? own[0];
	if (profile === undefined)
		return { perTokenUs: 1, perContextTokenUs: 0, perPromptTokenUs: 0, aloneTokenUs: 0 };
	const { step, tensorParallel: gpus } = profile;
	return {
		perTokenUs: gpus * (fixedUs(step) / SHARING_CALLS + step.hostPerSequenceUs + step.perDecodeSequenceUs),
		perContextTokenUs: gpus * step.perContextTokenUs,
		perPromptTokenUs: gpus * step.perTokenOverKneeUs,
		aloneTokenUs: fixedUs(step) + step.hostPerSequenceUs + step.perDecodeSequenceUs,
	};
}

const fixedUs = ({ hostUs, baseUs, allReduceUs }: StepCost): number => hostUs + baseUs + allReduceUs;
