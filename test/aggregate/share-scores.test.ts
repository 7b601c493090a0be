import { describe, expect, it } from 'vitest';
import { scoreByShare, shareRungs } from '../../sim/aggregate/share-scores.ts';
import { keyOf, VoteCases } from '../../sim/aggregate/vote-cases.ts';
import type { PastQuery } from '../../sim/domain/calibration.ts';
import { modelId } from '../../sim/domain/ids.ts';
import type { Answer } from '../../sim/domain/work.ts';

const cases = new VoteCases();
const slotsOf = (answers: readonly Answer[]) => answers.map((_, slot) => modelId(`m${slot}`));
const past = (votes: readonly string[]): readonly PastQuery[] =>
	votes.map((vote) => {
		const answers = [...vote].map((letter) => (letter === '-' ? null : letter));
		const ones = answers.map(() => 1);
		return {
			task: 't',
			slots: slotsOf(answers),
			slotPromptTokens: ones,
			answers,
			outputTokens: ones,
			correctAnswer: 'A',
			aggregator: { promptTokens: 1, outputTokens: 1, answer: () => 'A' },
		};
	});
const scoreOf = (vote: string, mayStand = true): number => {
	const [query] = past([vote]) as [PastQuery];
	const { slots, answers } = query;
	return scoreByShare(() => mayStand)(cases.of(slots, keyOf(slots), answers));
};

describe('score by share', () => {
	it('is the share of all slots that agree, the larger the lower', () => {
		expect(scoreOf('AAA')).toBe(-1);
		expect(scoreOf('AAB')).toBe(-2 / 3);
		expect(scoreOf('AA-')).toBe(-2 / 3);
		expect(scoreOf('AAAABB')).toBe(scoreOf('AAB'));
		expect(scoreOf('AAA', false)).toBe(Number.POSITIVE_INFINITY);
	});
});

describe('share rungs', () => {
	const rungs = (...votes: readonly string[]): readonly number[] =>
		shareRungs(
			past(votes),
			cases,
			scoreByShare(({ leader }) => leader >= 0),
		);

	it('are those that let more votes stand than the one before', () => {
		expect(rungs('AAA', 'AAB', 'ABC')).toEqual([-1, -2 / 3]);
		expect(rungs('AAA', 'ABC')).toEqual([-1]);
		expect(rungs('AAAA', 'AAAB', 'AABC')).toEqual([-1, -3 / 4]);
		expect(rungs('AAABB', 'AAAAB')).toHaveLength(2);
		expect(rungs('ABC')).toEqual([]);
	});

	it('never let a half stand', () => {
		const [last = 0] = rungs('AAB').slice(-1);
		expect(scoreOf('AABC')).toBeGreaterThan(last);
		expect(rungs('AABC')).toEqual([]);
	});
});
