import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { queryId } from '../../../sim/domain/ids.ts';
import type { AnswerKind, Question } from '../../../sim/domain/question.ts';
import { normalAnswer } from '../../../traces/questions/answer-form.ts';
import { answerLabels } from '../../../traces/questions/answer-labels.ts';

const question = (answerKind: AnswerKind, gold: string | null, choices = 0): Question => ({
	query: queryId('q'),
	text: 'Well?',
	choices: Array.from({ length: choices }, (_, i) => `choice ${i}`),
	answerKind,
	gold,
});

describe('what drawn options say', () => {
	it('the right one is the known answer, the others differ from it and from each other, all in normal form', () => {
		const golds = fc.constantFrom(
			question('letter', 'A', 4),
			question('letter', 'D', 4),
			question('letter', null, 3),
			question('number', '42'),
			question('number', '-0.5'),
			question('number', '1/3'),
			question('number', null),
			question('boxed', '7'),
			question('boxed', 'x^2+1'),
			question('boxed', null),
		);
		fc.assert(
			fc.property(golds, fc.nat(9), (asked, drawn) => {
				const { options = 10, label } = answerLabels(asked);
				const correct = drawn % options;
				const labels = Array.from({ length: options }, (_, option) => label(option, correct));
				if (asked.gold !== null) expect(labels[correct]).toBe(asked.gold);
				expect(new Set(labels).size).toBe(options);
				for (const each of labels)
					expect(normalAnswer(asked.answerKind, asked.choices.length, each)).toBe(each);
			}),
			{ seed: 5 },
		);
	});

	it('letters are those of the choices, whatever the task has', () => {
		const { options, label } = answerLabels(question('letter', 'C', 5));
		expect(options).toBe(5);
		expect([0, 1, 2, 3, 4].map((option) => label(option, 0))).toEqual(['C', 'B', 'A', 'D', 'E']);
	});
});
