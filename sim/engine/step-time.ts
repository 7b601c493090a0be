import type { StepCost } from '../domain/model.ts';
import type { TimeUs } from '../domain/units.ts';
import type { StepBatch } from './step-batch.ts';

/** What the time of a step depends on: the sums of a `StepBatch`. */
export type StepLoad = Pick<
	StepBatch,
	'count' | 'tokens' | 'prefillTokens' | 'decodeSequences' | 'decodeContextTokens'
>;

/** Microseconds of a step on the GPU, but for the part that grows with the context of the decoding sequences. */
export function gpuConstantUs(cost: StepCost, load: StepLoad): number {
	const { prefillTokens } = load;
	return (
		cost.baseUs +
		cost.perTokenOverKneeUs * Math.max(0, load.tokens - cost.kneeTokens) +
		cost.perDecodeSequenceUs * load.decodeSequences +
		cost.perPrefillTokenSquaredUs * prefillTokens * prefillTokens +
		cost.allReduceUs
	);
}

/** Microseconds the host spends on scheduling, sampling and detokenizing a step. */
export function hostTimeUs(cost: StepCost, load: StepLoad): number {
	return cost.hostUs + cost.hostPerSequenceUs * load.count;
}

/**
 * Times of steps that follow each other without a gap. Microseconds, not rounded: a time is worked out from the last
 * change of the step's constant part, as `steps * constant + perContextToken * sum of contexts`, so that it does not depend
 * on whether somebody walked there or leapt, and rounding does not add up.
 *
 * Synchronous: host and GPU time add up. Asynchronous: the host prepares the next step while the GPU computes this one, so a
 * step takes the longer of the two.
 */
export class StepClock {
	/** End of the last step that was run, or the time it was reset to. */
	nowUs: TimeUs = 0;
	private readonly cost: StepCost;
	private readonly hostIsHidden: boolean;
	private anchorUs = 0;
	private constantUs = 0;
	private perContextTokenUs = 0;
	private stepsSinceAnchor = 0;
	private contextSinceAnchor = 0;

	constructor(cost: StepCost, hostIsHidden: boolean) {
		this.cost = cost;
		this.hostIsHidden = hostIsHidden;
	}

	/** The engine was idle until `nowUs`. */
	reset(nowUs: TimeUs): void {
		this.nowUs = nowUs;
		this.anchor();
	}

	/** Runs a step from the end of the one before. @returns its end */
	run(load: StepLoad): TimeUs {
		const { cost } = this;
		let constantUs = gpuConstantUs(cost, load);
		let { perContextTokenUs } = cost;
		const hostUs = hostTimeUs(cost, load);
		if (!this.hostIsHidden) constantUs += hostUs;
		else if (constantUs + perContextTokenUs * load.decodeContextTokens < hostUs) {
			constantUs = hostUs;
			perContextTokenUs = 0;
		}
		if (constantUs !== this.constantUs || perContextTokenUs !== this.perContextTokenUs) {
			this.anchor();
			this.constantUs = constantUs;
			this.perContextTokenUs = perContextTokenUs;
		}
		this.stepsSinceAnchor++;
		this.contextSinceAnchor += load.decodeContextTokens;
		this.nowUs =
			this.anchorUs + this.stepsSinceAnchor * constantUs + this.contextSinceAnchor * perContextTokenUs;
		return this.nowUs;
	}

	private anchor(): void {
		this.anchorUs = this.nowUs;
		this.stepsSinceAnchor = 0;
		this.contextSinceAnchor = 0;
	}
}
