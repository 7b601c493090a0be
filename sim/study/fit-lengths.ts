import { type LengthDistribution, normalCdf } from '../domain/distribution.ts';
import { assert } from '../domain/errors.ts';

export interface LengthSample {
	readonly outputTokens: number;
	/** It ran to the limit. */
	readonly wasCut: boolean;
}

export interface LengthFit {
	readonly distribution: LengthDistribution;
	readonly samples: number;
	/** Largest distance between its distribution function and that of the samples; cut outputs count as a step at the cap. */
	readonly ksDistance: number;
}

/**
 * A lognormal through the outputs that ended by themselves; the others are its runaway share.
 * @param samples at least one
 * @param capTokens limit under which they were produced
 */
export function fitLengths(samples: readonly LengthSample[], capTokens: number): LengthFit {
	assert(samples.length > 0, 'there is no output to fit a length on');
	const ended = samples
		.filter(({ wasCut }) => !wasCut)
		.map(({ outputTokens }) => outputTokens)
		.sort((a, b) => a - b);
	const runawayShare = 1 - ended.length / samples.length;
	const logs = ended.map((tokens) => Math.log(Math.max(1, tokens)));
	const mu = ended.length === 0 ? Math.log(capTokens) : mean(logs);
	const sigma = logs.length < 2 ? 0 : Math.sqrt((logs.length * variance(logs, mu)) / (logs.length - 1));
	const below = (tokens: number): number =>
		(1 - runawayShare) *
		(sigma === 0 ? Number(Math.log(tokens) >= mu) : normalCdf((Math.log(tokens) - mu) / sigma));
	const distances = ended.flatMap((tokens, index) => [
		Math.abs(below(tokens) - index / samples.length),
		Math.abs(below(tokens) - (index + 1) / samples.length),
	]);
	return {
		distribution: {
			body: { family: 'lognormal', mu, sigma },
			shiftTokens: 0,
			capTokens,
			runawayShare,
			scale: 1,
		},
		samples: samples.length,
		ksDistance: Math.max(0, ...distances),
	};
}

const mean = (values: readonly number[]): number =>
	values.reduce((sum, value) => sum + value, 0) / values.length;

const variance = (values: readonly number[], middle: number): number =>
	mean(values.map((value) => (value - middle) ** 2));
