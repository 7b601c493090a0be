import type { Setup } from '../../sim/domain/setup.ts';
import type { Backend } from '../backend.ts';

/**
 * The setup as a backend can carry it out: where its servers cannot sleep, no engine can, so that a sleep is refused before it is ordered and the
 * replica stays awake. Whatever the profiles say: a live run may use those of other machines.
 */
export const withoutSleep = (setup: Setup, { sleepRefusal }: Pick<Backend, 'sleepRefusal'>): Setup =>
	sleepRefusal === null
		? setup
		: { ...setup, profiles: setup.profiles.map((profile) => ({ ...profile, sleep: { 1: null, 2: null } })) };
