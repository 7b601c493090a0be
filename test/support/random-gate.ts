import { createGate } from '../../sim/aggregate/index.ts';
import { randomStream } from '../../sim/core/random.ts';
import type { Gate } from '../../sim/domain/work.ts';
import { type SetupShape, whole } from './random-setup.ts';

/** The gate of a random setup; every other one has limits on generated tokens, which differ between the roles. */
export function randomGate({ seed, gate }: Pick<SetupShape, 'seed' | 'gate'>): Gate {
	const random = randomStream(seed, 'gate');
	const own = createGate(gate);
	const cuts = { expert: whole(random, 10, 100), aggregator: whole(random, 5, 60) };
	return random() < 0.5 ? own : { ...own, cutTokens: ({ role }) => cuts[role] };
}
