import { describe, expect, it } from 'vitest';
import { queryId } from '../../../sim/domain/ids.ts';
import type { Question } from '../../../sim/domain/question.ts';
import { aggregatorPrompt, expertPrompt } from '../../../traces/questions/prompt-text.ts';

const letter: Question = {
	query: queryId('q'),
	text: 'Which one?',
	choices: ['this', 'that'],
	answerKind: 'letter',
	gold: 'B',
};

describe('prompts', () => {
	it('of an expert: question, choices, instruction', () => {
		expect(expertPrompt(letter)).toBe(
			'Which one?\n\n(A) this\n(B) that\n\nThink step by step. End with the line "The answer is (X).", where X is the letter of the right choice.',
		);
		const number: Question = { ...letter, choices: [], answerKind: 'number', gold: '7' };
		expect(expertPrompt(number)).toBe(
			'Which one?\n\nThink step by step. End with the line "The answer is N.", where N is a number without a unit.',
		);
	});

	it('of an aggregator: question, how many answered and what, instruction', () => {
		expect(aggregatorPrompt(letter, ['It is this.\nThe answer is (A).', null, ' '])).toBe(
			[
				'Which one?\n\n(A) this\n(B) that',
				'3 experts answered this question independently of each other. Some of them may be wrong.',
				'Answer 1:\nIt is this.\nThe answer is (A).',
				'Answer 2:\n(no answer)',
				'Answer 3:\n(no answer)',
				'Check their reasoning against the question, weigh the answers, and decide. End with the line "The answer is (X).", where X is the letter of the right choice.',
			].join('\n\n'),
		);
	});

	it('begin alike, with all of the question, and never hold the right answer', () => {
		const open: Question = { ...letter, choices: [], answerKind: 'boxed', gold: 'zebra' };
		for (const question of [letter, open]) {
			const [expert, aggregator] = [expertPrompt(question), aggregatorPrompt(question, ['hm'])];
			let shared = 0;
			while (expert[shared] === aggregator[shared]) shared++;
			expect(expert.slice(0, shared)).toContain(question.choices.at(-1) ?? question.text);
			expect(expert + aggregator).not.toContain('zebra');
			// Two questions that differ in their right answer alone have the same prompts.
			const other = { ...question, gold: null };
			expect([expertPrompt(other), aggregatorPrompt(other, ['hm'])]).toEqual([expert, aggregator]);
		}
	});
});
