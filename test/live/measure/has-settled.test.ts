import { describe, expect, it } from 'vitest';
import { hasSettled } from '../../../live/measure/measure-engine.ts';

/** Loads that are taken, one after the other, until they have settled. */
function taken(loads: readonly number[], starts: number): readonly number[] {
	const seen: number[] = [];
	for (const load of loads) {
		seen.push(load);
		if (hasSettled(seen, starts)) break;
	}
	return seen;
}

describe('loads have settled', () => {
	it('when as many as were ordered are about equal in a row', () => {
		expect(taken([30, 31, 33, 99], 3)).toEqual([30, 31, 33]);
		expect(taken([85, 64, 30, 31, 30, 99], 3)).toEqual([85, 64, 30, 31, 30]);
		expect(taken([30, 85, 30, 31, 29, 99], 3)).toEqual([30, 85, 30, 31, 29]);
	});

	it('at once when one start was ordered', () => {
		expect(taken([85, 30], 1)).toEqual([85]);
	});

	it('when that takes too long', () => {
		expect(taken([10, 20, 40, 80, 160, 320, 640, 1280, 2560], 3)).toHaveLength(7);
	});
});
