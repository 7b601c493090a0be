import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { LongestFirst } from '../../../solver/adaptive/longest-first.ts';
import { whole } from '../../support/random-setup.ts';

const list = (...tokens: readonly number[]): readonly Call[] =>
	tokens.map((promptTokens, index) => ({ id: `${index}`, promptTokens }) as unknown as Call);

describe('the longest first', () => {
	it('is a stable sort', () => {
		for (let seed = 0; seed < 200; seed++) {
			const random = randomStream(seed, 'list');
			const calls = list(...Array.from({ length: whole(random, 0, 30) }, () => whole(random, 1, 8)));
			const ranked = new LongestFirst().rank(calls, ({ promptTokens }) => promptTokens);
			const sorted = [...calls].sort((a, b) => b.promptTokens - a.promptTokens);
			expect(ranked.calls).toEqual(sorted);
			expect(calls.map((_, index) => ranked.tokensAt(index))).toEqual(
				sorted.map(({ promptTokens }) => promptTokens),
			);
		}
	});

	it('is worked out once for each list', () => {
		const order = new LongestFirst();
		let asked = 0;
		const tokensOf = ({ promptTokens }: Call): number => {
			asked++;
			return promptTokens;
		};
		const calls = list(1, 5, 3);
		expect(order.rank(calls, tokensOf)).toBe(order.rank(calls, tokensOf));
		expect(asked).toBe(3);
		order.rank([...calls], tokensOf);
		expect(asked).toBe(6);
	});
});
