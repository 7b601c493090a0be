import { createHash } from 'node:crypto';
import type { Setup } from '../../sim/domain/setup.ts';

/** SHA-256 over everything that decides what is run: the experiment as resolved and the files it takes from beside it. 64 hex digits. */
export function setupHash({ resolved, inputs }: Pick<Setup, 'resolved' | 'inputs'>): string {
	return createHash('sha256').update(canonical({ resolved, inputs })).digest('hex');
}

/** Whether two experiments are resolved alike; the files that they take from beside them may differ. */
export const sameResolved = (a: Setup['resolved'], b: Setup['resolved']): boolean =>
	canonical(a) === canonical(b);

/** JSON with the keys of every object in order, so that a file which was written and read again has the same text. */
function canonical(value: unknown): string {
	return JSON.stringify(value, (_, inner: unknown) =>
		inner !== null && typeof inner === 'object' && !Array.isArray(inner)
			? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
			: inner,
	);
}
