import { alea } from 'seedrandom';

/** Uniform numbers in [0, 1), 53 bits. */
export type RandomStream = () => number;

/**
 * One named stream per use, so that drawing from one never moves another. Equal (seed, name) gives equal numbers.
 * @param name what the numbers are for, e.g. `lengths` or `lengths/q17`
 */
export function randomStream(seed: number, name: string): RandomStream {
	const generator = alea(`${seed}/${name}`);
	return () => generator.double();
}

/** Fisher-Yates, in place. */
export function shuffle<T>(items: T[], random: RandomStream): T[] {
	for (let i = items.length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		const swapped = items[i] as T;
		items[i] = items[j] as T;
		items[j] = swapped;
	}
	return items;
}
