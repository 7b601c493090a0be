import { describe, expect, it } from 'vitest';
import { keyOf, VoteCases } from '../../sim/aggregate/vote-cases.ts';
import { countVotes } from '../../sim/aggregate/votes.ts';
import { modelId } from '../../sim/domain/ids.ts';
import type { Answer } from '../../sim/domain/work.ts';

const slots = ['weak', 'strong', 'weak', 'other'].map(modelId);
const ends: readonly Answer[] = ['A', 'B', 'C', 'D', 'E', null];

/** All ways to fill the missing slots. */
const filled = (answers: readonly (Answer | undefined)[]): Answer[][] =>
	answers.reduce<Answer[][]>(
		(lists, answer) =>
			lists.flatMap((list) => (answer === undefined ? ends : [answer]).map((end) => [...list, end])),
		[[]],
	);

const listsOf = <T>(length: number, values: readonly T[]): T[][] =>
	length === 0
		? [[]]
		: listsOf(length - 1, values).flatMap((list) => values.map((value) => [...list, value]));

describe('VoteCases', () => {
	it('tells who agrees with whom, not what they say', () => {
		const cases = new VoteCases();
		const of = (...answers: Answer[]) => cases.of(slots, keyOf(slots), answers);
		expect(of('B', 'B', 'C', null)).toBe(of('X', 'X', 'A', null));
		expect(of('B', 'B', 'C', null)).toMatchObject({
			pattern: '2:1-1',
			cell: '2:1-1 / strong+weak / weak / other',
			leader: 0,
			repeated: [0],
		});
		// The same experts on each side, though in other slots.
		expect(of('C', 'B', 'B', null).cell).toBe(of('B', 'B', 'C', null).cell);
		expect(of('A', 'A', 'B', 'B')).toMatchObject({ pattern: '2:2', leader: -1, repeated: [0, 2] });
		expect(of(null, null, null, null)).toMatchObject({ pattern: '-4', leader: -1, repeated: [] });
	});

	it.each([3, 4])(
		'of %i slots lists what answers may become, exactly where one leads in all of it',
		(count) => {
			const cases = new VoteCases();
			const experts = slots.slice(0, count);
			const key = keyOf(experts);
			for (const answers of listsOf(count, ['A', 'B', null, undefined])) {
				const ways = filled(answers);
				const leads = new Set(ways.map((way) => countVotes(way).answer));
				const certain = answers.includes(undefined) && leads.size === 1 && !leads.has(null);
				const found = cases.completions(experts, key, answers);
				const expected = new Set(ways.map((way) => cases.of(experts, key, way)));
				expect(found === null ? null : new Set(found)).toEqual(certain ? expected : null);
			}
		},
	);
});
