import { expertCallId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Query } from '../../sim/domain/work.ts';

/** Mean output tokens per expert call in queries where all agree, where more than half agree, and in the others. */
export interface BucketTokens {
	readonly unanimous: number;
	readonly split: number;
	readonly scattered: number;
}

/** How the answers of a query fell: 3:0, 2:1 or 1:1:1 for three slots. */
export function bucketOf(setup: Setup, query: Query): keyof BucketTokens {
	const votes = new Map<string, number>();
	query.slots.forEach((_, slotIndex) => {
		const { answer } = setup.truth.call(expertCallId(query.id, slotIndex));
		if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
	});
	const most = Math.max(0, ...votes.values());
	if (most === query.slots.length) return 'unanimous';
	return 2 * most > query.slots.length ? 'split' : 'scattered';
}

export function bucketTokens(setups: Iterable<Setup>): BucketTokens {
	const sums = { unanimous: 0, split: 0, scattered: 0 };
	const calls = { unanimous: 0, split: 0, scattered: 0 };
	for (const setup of setups) {
		for (const query of setup.queries) {
			const bucket = bucketOf(setup, query);
			calls[bucket] += query.slots.length;
			query.slots.forEach((_, slotIndex) => {
				sums[bucket] += setup.truth.call(expertCallId(query.id, slotIndex)).outputTokens;
			});
		}
	}
	return {
		unanimous: sums.unanimous / calls.unanimous,
		split: sums.split / calls.split,
		scattered: sums.scattered / calls.scattered,
	};
}

/**
 * The easeLengthCorrelation at which scattered queries are `targetRatio` times as long as unanimous ones, by bisection: the ratio
 * grows with the correlation. Token means may be fitted on; nothing else is looked at.
 * @param load workloads at one correlation, the same seeds every time
 * @returns 0 to 1, to 0.005
 */
export function fitEaseLengthCorrelation(
	load: (easeLengthCorrelation: number) => Iterable<Setup>,
	targetRatio: number,
): number {
	let low = 0;
	let high = 1;
	while (high - low > 0.01) {
		const middle = (low + high) / 2;
		const { unanimous, scattered } = bucketTokens(load(middle));
		if (scattered / unanimous < targetRatio) low = middle;
		else high = middle;
	}
	return (low + high) / 2;
}
