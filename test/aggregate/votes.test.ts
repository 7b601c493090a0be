import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countVotes } from '../../sim/aggregate/votes.ts';
import type { Answer } from '../../sim/domain/work.ts';

const answerArbitrary = fc.constantFrom<Answer>('A', 'B', 'C', null);

describe('countVotes', () => {
	it('finds the leader of a split vote', () => {
		expect(countVotes(['A', 'B', 'A'])).toEqual({ answer: 'A', votes: 2, slots: 3 });
	});

	it('finds no leader when the lead is shared, whatever the order', () => {
		expect(countVotes(['A', 'B', 'B', 'A']).answer).toBeNull();
		expect(countVotes(['A', 'B', 'C']).answer).toBeNull();
	});

	it('lets failed extractions fill slots and vote for nothing', () => {
		expect(countVotes([null, null, 'B'])).toEqual({ answer: 'B', votes: 1, slots: 3 });
		expect(countVotes([null, null, null])).toEqual({ answer: null, votes: 0, slots: 3 });
	});

	it('equals counting each answer by hand, in any order', () => {
		fc.assert(
			fc.property(fc.array(answerArbitrary, { minLength: 1, maxLength: 7 }), (answers) => {
				const counts = ['A', 'B', 'C'].map((letter) => answers.filter((answer) => answer === letter).length);
				const most = Math.max(...counts);
				const leaders = ['A', 'B', 'C'].filter((_, i) => counts[i] === most && most > 0);
				const expected = leaders.length === 1 ? leaders[0] : null;
				expect(countVotes(answers).answer).toBe(expected);
				expect(countVotes([...answers].reverse()).answer).toBe(expected);
				expect(countVotes(answers).votes).toBe(most);
			}),
			{ seed: 1, numRuns: 300 },
		);
	});
});
