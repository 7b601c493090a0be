import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import { normal } from './normal.ts';

/** Gaps between one arrival and the next, independent of each other. */
export interface GapProcess {
	/** Mean arrivals per second, above 0. */
	readonly perSecond: number;
	/** Standard deviation of a gap divided by its mean, above 0: 1 is Poisson, more comes in bursts, less is more even. */
	readonly burstiness: number;
}

/**
 * Arrival times in seconds, rising, the first one gap after 0. Stream `arrivals`: no other draw moves with them. Poisson times of one seed at
 * another rate are the same times scaled.
 */
export function drawArrivals(
	seed: number,
	count: number,
	{ perSecond, burstiness }: GapProcess,
): readonly number[] {
	const random = randomStream(seed, 'arrivals');
	const shape = 1 / burstiness ** 2;
	let seconds = 0;
	return Array.from({ length: count }, () => {
		const gap = burstiness === 1 ? exponential(random) : gamma(shape, random) / shape;
		seconds += gap / perSecond;
		return seconds;
	});
}

const exponential = (random: RandomStream): number => -Math.log(1 - random());

/** Mean `shape`, variance `shape`. Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; below 1 by their boost. */
function gamma(shape: number, random: RandomStream): number {
	if (shape < 1) return gamma(shape + 1, random) * (1 - random()) ** (1 / shape);
	const d = shape - 1 / 3;
	const c = 1 / Math.sqrt(9 * d);
	for (;;) {
		const x = normal(random);
		const v = (1 + c * x) ** 3;
		if (v > 0 && Math.log(1 - random()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v;
	}
}
