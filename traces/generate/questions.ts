import { randomStream } from '../../sim/core/random.ts';
import { normal } from './normal.ts';

/** What all calls of one query share. Standard normal each. */
export interface Question {
	/** High: experts are right. */
	readonly ease: number;
	/** High: long outputs. */
	readonly length: number;
}

/**
 * `length = -rho*ease + sqrt(1 - rho^2)*own`, so hard questions are long, and wrong answers with them. Stream `questions`.
 * @param easeLengthCorrelation rho, 0 to 1
 */
export function drawQuestions(
	seed: number,
	count: number,
	easeLengthCorrelation: number,
): readonly Question[] {
	const random = randomStream(seed, 'questions');
	const rest = Math.sqrt(1 - easeLengthCorrelation ** 2);
	return Array.from({ length: count }, () => {
		const ease = normal(random);
		return { ease, length: -easeLengthCorrelation * ease + rest * normal(random) };
	});
}
