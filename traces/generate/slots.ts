import { randomStream, shuffle } from '../../sim/core/random.ts';

/**
 * Shuffles the exact multiset of slots and cuts it in pieces of k; the same model may come twice in a piece. Stream `slots`.
 * @param batches how often, one batch of queries after the other
 */
export function drawSlots<M>(
	seed: number,
	counts: readonly { readonly model: M; readonly calls: number }[],
	slotsPerQuery: number,
	batches = 1,
): readonly (readonly M[])[] {
	const slots = counts.flatMap(({ model, calls }) => new Array<M>(calls).fill(model));
	const random = randomStream(seed, 'slots');
	const queries: M[][] = [];
	for (let batch = 0; batch < batches; batch++) {
		shuffle(slots, random);
		for (let from = 0; from < slots.length; from += slotsPerQuery)
			queries.push(slots.slice(from, from + slotsPerQuery));
	}
	return queries;
}
