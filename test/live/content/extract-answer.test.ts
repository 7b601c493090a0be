import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extractAnswer } from '../../../live/content/extract-answer.ts';
import { closingLine, madeUpText } from '../../../live/content/made-up-text.ts';
import type { AnswerKind } from '../../../sim/domain/question.ts';
import { normalAnswer } from '../../../traces/questions/answer-form.ts';

const asked = (answerKind: AnswerKind, choices = 0) => ({
	answerKind,
	choices: Array.from({ length: choices }, (_, i) => `choice ${i}`),
});

describe('a letter among four', () => {
	it.each([
		// the line that prompts ask for, and how models bend it
		['The answer is (C).', 'C'],
		['the answer is C', 'C'],
		['The answer is **C**.', 'C'],
		['The answer is **C. 42 m**', 'C'],
		['The answer is "C".', 'C'],
		['The answer is $C$', 'C'],
		['The answer is \\(\\text{C}\\)', 'C'],
		['The answer is\n\n(C)', 'C'],
		['Answer: C', 'C'],
		['**Answer: C**', 'C'],
		['**Answer:** C', 'C'],
		['**Final Answer**: (B)', 'B'],
		['### Answer\nFinal answer: **(B)** because it fits', 'B'],
		['ANSWER = D', 'D'],
		['The correct option is B.', 'B'],
		['The best choice would be (d).', 'D'],
		['So the answer must be option A.', 'A'],
		['The answer to this question is: B', 'B'],
		['Thus option C is correct.', 'C'],
		['Here (D) is the right one.', 'D'],
		['correct choice: (C) because (A) is wrong', 'C'],
		['the answer is (a)', 'A'],
		['answer: b', 'B'],
		['The answer is A, since B is too small.', 'A'],
		// boxes
		['\\boxed{C}', 'C'],
		['$\\boxed{\\text{C}}$', 'C'],
		['\\boxed{\\textbf{(C)}}', 'C'],
		['\\boxed{C: 42}', 'C'],
		['The answer is \\boxed{D}.', 'D'],
		// the last word counts
		['The answer is (A). No, wait. The answer is (D).', 'D'],
		['\\boxed{A} was wrong, so the answer is B.', 'B'],
		['The answer is B, or in a box: \\boxed{A}', 'A'],
		// nothing is called the answer
		['I think (B) is tempting, but it has to be (C).', 'C'],
		['So I choose\n\nC', 'C'],
		['C', 'C'],
		['**C.**', 'C'],
		// not among the choices
		['The answer is (E).', null],
		['The answer is (B). Though (F) has its merits.', 'B'],
		['The answer is (F). The answer is (B).', 'B'],
		['E', null],
		// no answer
		['', null],
		['I do not know.', null],
		['The answer is a number.', null],
		['The answer is None of the above', null],
		['The answer is A-B', null],
		["The answer is B's", null],
		['Unanswered: B', null],
		['The answer is (A) or (B).', null],
		['The answer is A or B', null],
		['The answer is A/B', null],
		['The answer is (A). But the answer may as well be: the answer is B or C', null],
	])('%j: %j', (text, answer) => {
		expect(extractAnswer(asked('letter', 4), text)).toBe(answer);
	});

	it('goes as far as the choices do', () => {
		expect(extractAnswer(asked('letter', 10), 'The answer is (J).')).toBe('J');
		expect(extractAnswer(asked('letter', 9), 'The answer is (J).')).toBeNull();
		expect(extractAnswer(asked('letter', 2), 'It is (A), surely not (C)')).toBe('A');
	});
});

describe('a number', () => {
	it.each([
		['The answer is 42.', '42'],
		['The answer is 3.50 m.', '3.5'],
		['The answer is $1,234.50.', '1234.5'],
		['The answer is −3', '-3'],
		['The answer is -3.', '-3'],
		['The answer is 1/3', '1/3'],
		['The answer is \\(\\frac{1}{2}\\).', '0.5'],
		['The answer is 2 1/2 hours', '2.5'],
		['**Answer: 7**', '7'],
		['Answer: 10^3', '1000'],
		['The answer is seven (7).', '7'],
		['The answer is x = 5', '5'],
		['The answer is 3 + 4 = 7.', '7'],
		['The answer is 5-3=2', '2'],
		['The answer is 42 because 40 + 1 = 41 is too small.', '42'],
		['The answer is 12. It was 13 before.', '12'],
		['The answer is 3.14.', '3.14'],
		['First result: 5. The final answer: 6', '6'],
		['\\boxed{12}', '12'],
		['\\boxed{x = 12 \\text{ cm}}', '12'],
		['\\boxed{3} but the answer is 4', '4'],
		['3 + 4 = 7', '7'],
		['That makes 5 or rather 6 of them', '6'],
		['none', null],
		['', null],
		['The answer is unknown, though 3 comes close', '3'],
	])('%j: %j', (text, answer) => {
		expect(extractAnswer(asked('number'), text)).toBe(answer);
	});
});

describe('a boxed answer', () => {
	it.each([
		['so \\boxed{\\frac{1}{2}}', '0.5'],
		['\\boxed{x^{2} + 1}', 'x^{2}+1'],
		['first \\boxed{1}, then $\\boxed{ 3,\\ 4 }$', '3,4'],
		['\\boxed {a\\}b}', 'a\\}b'],
		['\\boxed{\\boxed{4}}', '4'],
		['\\fbox{4}', '4'],
		['\\boxed{1,000}', '1000'],
		['\\boxed{90^\\circ}', '90'],
		['\\boxed{x} and an \\boxed{unclosed one', 'x'],
		['\\boxed{unclosed', null],
		['\\boxed{}', null],
		['The answer is x+1.', 'x+1'],
		['The answer is $x + 1$.', 'x+1'],
		['The answer is \\(x+1\\).', 'x+1'],
		['Answer: **red**', 'red'],
		['none', null],
	])('%j: %j', (text, answer) => {
		expect(extractAnswer(asked('boxed'), text)).toBe(answer);
	});
});

describe('any text', () => {
	const words = fc.constantFrom(
		'the answer is ',
		'Answer: ',
		'(A)',
		'(b)',
		'C',
		'7',
		'-3.5',
		'\\boxed{',
		'}',
		' = ',
		'\n',
		'**',
		' or ',
		'.',
		' so ',
	);
	const texts = fc.array(words, { maxLength: 12 }).map((parts) => parts.join(''));
	const kinds = fc.constantFrom(asked('letter', 4), asked('number'), asked('boxed'));

	it('gives null or an answer in normal form', () => {
		fc.assert(
			fc.property(texts, kinds, (text, question) => {
				const answer = extractAnswer(question, text);
				if (answer === null) return;
				expect(normalAnswer(question.answerKind, question.choices.length, answer)).toBe(answer);
			}),
			{ seed: 11, numRuns: 500 },
		);
	});

	it('that goes before the closing line changes nothing', () => {
		const answers = fc.constantFrom(
			[asked('letter', 4), 'C'] as const,
			[asked('number'), '-3.5'] as const,
			[asked('number'), '1/3'] as const,
			[asked('boxed'), 'x^{2}+1'] as const,
		);
		fc.assert(
			fc.property(texts, answers, (text, [question, answer]) => {
				// An unclosed box would swallow what follows.
				fc.pre(!/\\boxed\{[^}]*$/.test(text));
				const closing = closingLine(question.answerKind, answer);
				expect(extractAnswer(question, `${text}\n${closing}`)).toBe(answer);
			}),
			{ seed: 12, numRuns: 500 },
		);
	});

	it('of fifty thousand characters is read at once, whatever stands in it', () => {
		for (const piece of [
			'answer ',
			'*',
			' ',
			'1',
			'1,',
			'1,000',
			'\\boxed{',
			'(A)',
			'10^',
			'\\frac{',
			'9/',
			'answer is ',
		])
			for (const question of [asked('letter', 4), asked('number'), asked('boxed')]) {
				const text = `the answer is${piece.repeat(Math.ceil(50_000 / piece.length))}`;
				expect(() => extractAnswer(question, text)).not.toThrow();
			}
	}, 10_000);
});

describe('made-up words', () => {
	it('say what they were made for, at the length asked for', () => {
		const answers = fc.constantFrom(
			[asked('letter', 4), 'B'] as const,
			[asked('number'), '327'] as const,
			[asked('number'), '-0.5'] as const,
			[asked('boxed'), '5\\sqrt{2}'] as const,
			[asked('boxed'), '0.75'] as const,
		);
		fc.assert(
			fc.property(answers, fc.nat(600), ([question, answer], bytes) => {
				const text = madeUpText(question.answerKind, answer, bytes);
				expect(extractAnswer(question, text)).toBe(answer);
				const least = Buffer.byteLength(closingLine(question.answerKind, answer));
				expect(Math.abs(Buffer.byteLength(text) - Math.max(bytes, least))).toBeLessThanOrEqual(1);
				const silent = madeUpText(question.answerKind, null, bytes);
				expect(Buffer.byteLength(silent)).toBe(bytes);
				expect(extractAnswer(question, silent)).toBeNull();
			}),
			{ seed: 13 },
		);
	});
});
