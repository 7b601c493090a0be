import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromptNames } from '../../../live/emulator/prompt-names.ts';
import type { PromptSegment } from '../../../sim/domain/engine.ts';

/** Name of every token: what the engine tells tokens apart by. */
const namesOf = (segments: readonly PromptSegment[]): string[] =>
	segments.flatMap(([stream, from, length]) =>
		Array.from({ length }, (_, index) => `${stream}.${from + index}`),
	);

function sharedLength<T>(a: readonly T[], b: readonly T[]): number {
	let length = 0;
	while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++;
	return length;
}

/** Few different tokens, so that prompts share beginnings of every length. */
const prompt = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 });

describe('names of prompt tokens', () => {
	it('two prompts share the names of their leading tokens exactly as far as they share these', () => {
		fc.assert(
			fc.property(fc.array(prompt, { minLength: 2, maxLength: 20 }), (prompts) => {
				const names = new PromptNames(1000);
				for (const tokens of prompts) names.segments(tokens, '');
				// Asked again at the end: what was split since is named as before.
				const named = prompts.map((tokens) => namesOf(names.segments(tokens, '')));
				for (const [i, a] of prompts.entries())
					for (const [j, b] of prompts.entries())
						expect(sharedLength(named[i] ?? [], named[j] ?? [])).toBe(sharedLength(a, b));
			}),
			{ seed: 1, numRuns: 300 },
		);
	});

	it('a name never changes, whatever comes later', () => {
		fc.assert(
			fc.property(fc.array(prompt, { minLength: 2, maxLength: 20 }), (prompts) => {
				const names = new PromptNames(1000);
				const first = prompts.map((tokens) => namesOf(names.segments(tokens, '')));
				const later = prompts.map((tokens) => namesOf(names.segments(tokens, '')));
				expect(later).toEqual(first);
			}),
			{ seed: 2, numRuns: 300 },
		);
	});

	it('different salts share nothing', () => {
		const names = new PromptNames(1000);
		const [plain, salted] = [names.segments([1, 2, 3], ''), names.segments([1, 2, 3], 's')];
		expect(sharedLength(namesOf(plain), namesOf(salted))).toBe(0);
		expect(names.segments([1, 2, 3], 's')).toEqual(salted);
	});

	it('a prompt that goes on with an output names its tokens as the engine does', () => {
		const names = new PromptNames(1000);
		const asked = names.segments([1, 2, 3], '');
		names.addOutput([1, 2, 3], '', 'oA', [7, 8, 9]);
		expect(namesOf(names.segments([1, 2, 3, 7, 8, 9, 4], ''))).toEqual([
			...namesOf(asked),
			'oA.0',
			'oA.1',
			'oA.2',
			expect.stringMatching(/^p/),
		]);
		// As far as it goes on with it.
		expect(namesOf(names.segments([1, 2, 3, 7, 5], '')).slice(3, 4)).toEqual(['oA.0']);
	});

	it('two outputs to one prompt that begin differently are both found', () => {
		const names = new PromptNames(1000);
		names.segments([1], '');
		names.addOutput([1], '', 'oA', [7, 8]);
		names.addOutput([1], '', 'oB', [9, 8]);
		expect(namesOf(names.segments([1, 7, 8], '')).slice(1)).toEqual(['oA.0', 'oA.1']);
		expect(namesOf(names.segments([1, 9, 8], '')).slice(1)).toEqual(['oB.0', 'oB.1']);
	});

	it('keeps no more outputs in mind than the cache could hold, the oldest first', () => {
		const names = new PromptNames(5);
		for (const [index, stream] of ['oA', 'oB', 'oC'].entries()) {
			names.segments([index], '');
			names.addOutput([index], '', stream, [7, 8]);
		}
		expect(
			namesOf(names.segments([0, 7, 8], ''))
				.slice(1)
				.join(),
		).toMatch(/^p/);
		expect(namesOf(names.segments([2, 7, 8], '')).slice(1)).toEqual(['oC.0', 'oC.1']);
	});
});
