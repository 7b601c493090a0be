/** One scheduler in both worlds. Seconds. */
export interface Outcome {
	readonly scheduler: string;
	readonly predictedSeconds: number;
	/** Of every equal run. */
	readonly measuredSeconds: readonly number[];
}

export interface PairCheck {
	readonly pair: string;
	readonly predictedGapSeconds: number;
	readonly measuredGapSeconds: number;
	/** Null when either gap is within the noise. */
	readonly agrees: boolean | null;
}

/** Largest difference of two equal runs, as a share of their mean; null when none was made twice. */
export function noiseShare(outcomes: readonly Outcome[]): number | null {
	const shares = outcomes
		.filter(({ measuredSeconds }) => measuredSeconds.length > 1)
		.map(
			({ measuredSeconds }) =>
				(Math.max(...measuredSeconds) - Math.min(...measuredSeconds)) / mean(measuredSeconds),
		);
	return shares.length === 0 ? null : Math.max(...shares);
}

/**
 * Whether each two schedulers are in the same order in both worlds.
 * @param noise share of a makespan below which a gap says nothing
 * @param doubtSeconds predicted gaps below it say nothing either: how far the times behind the predictions were apart when they were measured
 */
export function checkOrder(
	outcomes: readonly Outcome[],
	noise: number,
	doubtSeconds = 0,
): readonly PairCheck[] {
	return outcomes.flatMap((a, index) =>
		outcomes.slice(index + 1).map((b): PairCheck => {
			const predictedGapSeconds = b.predictedSeconds - a.predictedSeconds;
			const measuredGapSeconds = mean(b.measuredSeconds) - mean(a.measuredSeconds);
			const least = noise * mean([...a.measuredSeconds, ...b.measuredSeconds]);
			const isNoise =
				Math.abs(predictedGapSeconds) <= Math.max(least, doubtSeconds) ||
				Math.abs(measuredGapSeconds) <= least;
			return {
				pair: `${a.scheduler} and ${b.scheduler}`,
				predictedGapSeconds,
				measuredGapSeconds,
				agrees: isNoise ? null : Math.sign(predictedGapSeconds) === Math.sign(measuredGapSeconds),
			};
		}),
	);
}

export const errorPercent = ({ predictedSeconds, measuredSeconds }: Outcome): number =>
	100 * (predictedSeconds / mean(measuredSeconds) - 1);

export const mean = (values: readonly number[]): number =>
	values.reduce((sum, value) => sum + value, 0) / values.length;
