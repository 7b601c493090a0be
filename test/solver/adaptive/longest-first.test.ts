import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { modelId } from '../../../sim/domain/ids.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { LongestFirst } from '../../../solver/adaptive/longest-first.ts';
import { whole } from '../../support/random-setup.ts';

const model = modelId('m');

describe('the longest first', () => {
	it('is a stable sort of all lists', () => {
		for (let seed = 0; seed < 200; seed++) {
			const random = randomStream(seed, 'lists');
			const lists = Array.from({ length: whole(random, 0, 4) }, (_, list) =>
				Array.from({ length: whole(random, 0, 20) }, (_, i) => ({ id: `${list}/${i}` }) as unknown as Call),
			);
			const tokens = new Map(lists.flat().map((call) => [call, whole(random, 1, 8)]));
			const tokensOf = (call: Call): number => tokens.get(call) ?? 0;
			expect(new LongestFirst().merge(model, lists, tokensOf)).toEqual(
				lists.flat().sort((a, b) => tokensOf(b) - tokensOf(a)),
			);
		}
	});

	it('sorts what changed, and nothing twice', () => {
		const order = new LongestFirst();
		let asked = 0;
		const tokensOf = ({ promptTokens }: Call): number => {
			asked++;
			return promptTokens;
		};
		const list = (...tokens: readonly number[]) =>
			tokens.map((promptTokens) => ({ promptTokens }) as unknown as Call);
		const [first, second] = [list(1, 5, 3), list(4, 2)];
		const merged = order.merge(model, [first, second], tokensOf);
		expect(merged.map(({ promptTokens }) => promptTokens)).toEqual([5, 4, 3, 2, 1]);
		expect(order.merge(model, [first, second], tokensOf)).toBe(merged);
		expect(asked).toBe(5);
		const shorter = order.merge(model, [first.slice(0, 1), second], tokensOf);
		expect(shorter.map(({ promptTokens }) => promptTokens)).toEqual([4, 2, 1]);
		expect(asked).toBe(6);
	});
});
