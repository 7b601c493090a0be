import type { StepCost } from '../domain/model.ts';
import type { TimeUs } from '../domain/units.ts';
import type { StepBatch } from './step-batch.ts';

/** What the time of a step depends on: the sums of a `StepBatch`. */
export type StepLoad = Pick<
	StepBatch,
	'count' | 'tokens' | 'prefillChunkSquares' | 'decodeSequences' | 'decodeContextTokens'
>;

/** Microseconds of a step on the GPU, but for the part that grows with the context of the decoding sequences. */
export function gpuConstantUs(cost: StepCost, load: StepLoad): number {
	const padding = graphPadding(load, cost.graphLimitSequences ?? 0);
	return (
		cost.baseUs +
		cost.perTokenOverKneeUs * Math.max(0, load.tokens + padding - cost.kneeTokens) +
		cost.perDecodeSequenceUs * (load.decodeSequences + padding) +
		cost.perPrefillTokenSquaredUs * load.prefillChunkSquares +
		cost.allReduceUs
	);
}

/** Empty entries that fill a step of one token each up to the next captured CUDA graph. */
function graphPadding({ count, tokens }: StepLoad, limitSequences: number): number {
	if (count === 0 || count > limitSequences || tokens > count) return 0;
	const size = graphSize(count);
	return size > limitSequences ? 0 : size - count;
}

/** vLLM captures 1, 2, 4, 8, 16, 24, ... 256, 272, 288, ... (`_set_cudagraph_sizes` in vllm/config/vllm.py). */
function graphSize(sequences: number): number {
	if (sequences <= 2) return sequences;
	if (sequences <= 4) return 4;
	const stride = sequences <= 256 ? 8 : 16;
	return Math.ceil(sequences / stride) * stride;
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
		this.enter(load);
		this.stepsSinceAnchor++;
		this.contextSinceAnchor += load.decodeContextTokens;
		this.nowUs = this.at(this.stepsSinceAnchor, this.contextSinceAnchor);
		return this.nowUs;
	}

	/** Runs `steps` steps with this load, but that the context of each decoding sequence is one token longer in each. */
	runMany(load: StepLoad, steps: number): void {
		this.enter(load);
		this.stepsSinceAnchor += steps;
		this.contextSinceAnchor += contextTokens(load, steps);
		this.nowUs = this.at(this.stepsSinceAnchor, this.contextSinceAnchor);
	}

	/**
	 * Foresees such steps without running them.
	 * @returns how many of `most` have the constant part of the first, and the end of the first `steps` of those (0: now)
	 */
	foresee(load: StepLoad, most: number): { steps: number; endUs: (steps: number) => TimeUs } {
		const { constantUs, perContextTokenUs } = this.rates(load);
		const isAnchored = constantUs === this.constantUs && perContextTokenUs === this.perContextTokenUs;
		const { nowUs } = this;
		const anchorUs = isAnchored ? this.anchorUs : nowUs;
		const stepsBefore = isAnchored ? this.stepsSinceAnchor : 0;
		const contextBefore = isAnchored ? this.contextSinceAnchor : 0;
		const endUs = (steps: number) =>
			steps === 0
				? nowUs
				: anchorUs +
					(stepsBefore + steps) * constantUs +
					(contextBefore + contextTokens(load, steps)) * perContextTokenUs;
		return { steps: this.hostBoundSteps(load, most), endUs };
	}

	/** Takes over the rates of a step, and anchors when they are others than before. */
	private enter(load: StepLoad): void {
		const { constantUs, perContextTokenUs } = this.rates(load);
		if (constantUs === this.constantUs && perContextTokenUs === this.perContextTokenUs) return;
		this.anchor();
		this.constantUs = constantUs;
		this.perContextTokenUs = perContextTokenUs;
	}

	private rates(load: StepLoad): { constantUs: number; perContextTokenUs: number } {
		const { cost } = this;
		const constantUs = gpuConstantUs(cost, load);
		const { perContextTokenUs } = cost;
		const hostUs = hostTimeUs(cost, load);
		if (!this.hostIsHidden) return { constantUs: constantUs + hostUs, perContextTokenUs };
		return constantUs + perContextTokenUs * load.decodeContextTokens < hostUs
			? { constantUs: hostUs, perContextTokenUs: 0 }
			: { constantUs, perContextTokenUs };
	}

	/** Of `most` steps with growing contexts, those until the GPU takes longer than the host; all if it does from the start. */
	private hostBoundSteps(load: StepLoad, most: number): number {
		const { cost } = this;
		const constantUs = gpuConstantUs(cost, load);
		const hostUs = hostTimeUs(cost, load);
		const isHostBound = (step: number) =>
			constantUs + cost.perContextTokenUs * (load.decodeContextTokens + (step - 1) * load.decodeSequences) <
			hostUs;
		if (!this.hostIsHidden || !isHostBound(1) || isHostBound(most)) return most;
		let steps = 1;
		for (let tooMany = most; tooMany - steps > 1; ) {
			const middle = (steps + tooMany) >> 1;
			if (isHostBound(middle)) steps = middle;
			else tooMany = middle;
		}
		return steps;
	}

	private at(steps: number, contextTokens: number): TimeUs {
		return this.anchorUs + steps * this.constantUs + contextTokens * this.perContextTokenUs;
	}

	private anchor(): void {
		this.anchorUs = this.nowUs;
		this.stepsSinceAnchor = 0;
		this.contextSinceAnchor = 0;
	}
}

/** Sum over steps in which every decoding sequence grows by a token. */
function contextTokens({ decodeContextTokens, decodeSequences }: StepLoad, steps: number): number {
	return steps * decodeContextTokens + (decodeSequences * steps * (steps - 1)) / 2;
}
