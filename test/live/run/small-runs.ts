import { randomStream } from '../../../sim/core/random.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { type SmallQuery, smallSetup } from '../../support/setup-builder.ts';

/** Ten queries on two GPUs and three models: agreements and disagreements, loads and an aggregator stage. */
export function mixedSetup(seed = 1, options: { readonly arrivals?: boolean } = {}): Setup {
	const random = randomStream(seed, 'mixed');
	const models = ['a', 'b', 'c'];
	const queries = Array.from(
		{ length: 10 },
		(_, index): SmallQuery => ({
			calls: Array.from({ length: 3 }, () => ({
				model: models[Math.floor(random() * 3)] ?? 'a',
				promptTokens: 10 + Math.floor(random() * 50),
				outputTokens: 5 + Math.floor(random() * 120),
				answer: random() < 0.6 ? 'A' : 'B',
			})),
			arrivalUs: options.arrivals ? index * 700_001 : 0,
			aggregatorOutputTokens: 20 + Math.floor(random() * 20),
		}),
	);
	const setup = smallSetup({ queries });
	const { truth } = setup;
	return {
		...setup,
		truth: {
			...truth,
			// Tells whether the aggregator read what its experts said.
			query: (id) => ({ ...truth.query(id), aggregatorAnswer: (answers) => answers.join('') }),
		},
	};
}
