import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { UsageError } from '../../../sim/domain/errors.ts';
import { questionJsonSchema } from '../../../traces/index.ts';
import { readQuestions } from '../../../traces/questions/read-questions.ts';

const good = { id: 'q1', question: 'Which one?', choices: ['this', 'that'], answer: 'B' };
const lines = (...rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

function messageOf(text: string): string {
	try {
		readQuestions(text, 'q.jsonl');
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		expect(error.message).not.toContain('\n');
		return error.message;
	}
	throw new Error('expected a UsageError');
}

describe('a question file', () => {
	it('is read line by line, in order, empty lines and Windows line ends allowed', () => {
		const text = `\uFEFF${lines(good)}\r\n\r\n${lines({ id: 'q2', question: ' How many? ', kind: 'number', answer: '1,000.0', task: 'sums' })}\n`;
		expect(readQuestions(text, 'q.jsonl')).toEqual([
			{
				question: {
					query: 'q1',
					text: 'Which one?',
					choices: ['this', 'that'],
					answerKind: 'letter',
					gold: 'B',
				},
				task: undefined,
			},
			{
				question: { query: 'q2', text: 'How many?', choices: [], answerKind: 'number', gold: '1000' },
				task: 'sums',
			},
		]);
	});

	it.each([
		[{ id: 'q', question: 'x', answer: ' b ', choices: ['1', '2'] }, 'letter', 'B'],
		[{ id: 'q', question: 'x', answer: null, choices: ['1', '2'] }, 'letter', null],
		[{ id: 'q', question: 'x', kind: 'number', answer: -0.5 }, 'number', '-0.5'],
		[{ id: 'q', question: 'x', kind: 'number', answer: '2/6 of it' }, 'number', '1/3'],
		[{ id: 'q', question: 'x', answer: ' \\dfrac{x}{2} ' }, 'boxed', '\\frac{x}{2}'],
		[{ id: 'q', question: 'x', answer: 12 }, 'boxed', '12'],
		[{ id: 'q', question: 'x' }, 'boxed', null],
	])('%j: kind %s, right answer %j', (row, kind, gold) => {
		expect(readQuestions(lines(row), 'q.jsonl')[0]?.question).toMatchObject({ answerKind: kind, gold });
	});

	it.each([
		['', 'q.jsonl:1 the file: expected a question a line, got none'],
		[
			`${lines(good)}\n{"id": `,
			'q.jsonl:2 the line: expected a JSON object, got Unexpected end of JSON input',
		],
		['[1]', 'q.jsonl:1 the line: expected a mapping, got a list'],
		[lines({ ...good, id: 7 }), 'q.jsonl:1 id: expected text, got 7'],
		[
			lines({ ...good, id: 'a/b' }),
			"q.jsonl:1 id: expected letters, digits, dots, dashes, colons and underscores, a letter or digit first, got 'a/b'",
		],
		[lines(good, good), "q.jsonl:2 id: expected each id once in the file, got 'q1', which line 1 has too"],
		[lines({ id: 'q' }), 'q.jsonl:1 question: expected text, got nothing'],
		[lines({ ...good, question: ' ' }), "q.jsonl:1 question: expected text that is not empty, got ' '"],
		[
			lines({ ...good, choises: [] }),
			"q.jsonl:1 choises: expected one of id, task, question, choices, kind, answer, got 'choises' (did you mean 'choices'?)",
		],
		[lines({ ...good, choices: ['one'] }), 'q.jsonl:1 choices: expected a list of at least 2, got a list'],
		[lines({ ...good, choices: ['one', 2] }), 'q.jsonl:1 choices.1: expected text, got 2'],
		[lines({ ...good, kind: 'leter' }), "q.jsonl:1 kind: expected one of letter, number, boxed, got 'leter'"],
		[
			lines({ ...good, kind: 'number' }),
			'q.jsonl:1 choices: expected nothing beside kind number, got a list',
		],
		[
			lines({ id: 'q', question: 'x', kind: 'letter' }),
			'q.jsonl:1 choices: expected a list of options, which kind letter needs, got nothing',
		],
		[lines({ ...good, answer: 'C' }), "q.jsonl:1 answer: expected a letter among its 2 choices, got 'C'"],
		[lines({ ...good, answer: true }), 'q.jsonl:1 answer: expected text or a number, got true'],
		[
			lines({ id: 'q', question: 'x', kind: 'number', answer: 'many' }),
			"q.jsonl:1 answer: expected a number, got 'many'",
		],
		[
			lines({ id: 'q', question: 'x', answer: '$$' }),
			"q.jsonl:1 answer: expected text that is not empty, got '$$'",
		],
		[
			lines({ id: 'q', question: 'x', answer: '\\frac{1}{2' }),
			"q.jsonl:1 answer: expected text whose braces match, got '\\frac{1}{2'",
		],
	])('%j is refused', (text, message) => {
		expect(messageOf(text)).toBe(message);
	});

	it('has a JSON Schema that takes the bundled one', () => {
		const schema = questionJsonSchema();
		const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
		const file = path.resolve(__dirname, '../../../traces/data/questions-small.jsonl');
		const rows = readFileSync(file, 'utf8').trim().split('\n');
		for (const row of rows) expect(validator.safeParse(JSON.parse(row)).error).toBeUndefined();
		expect(validator.safeParse({ ...good, extra: 1 }).success).toBe(false);
	});
});

describe('the bundled questions', () => {
	const file = path.resolve(__dirname, '../../../traces/data/questions-small.jsonl');
	const questions = readQuestions(readFileSync(file, 'utf8'), file).map(({ question }) => question);

	it('are at least 60, all with a right answer, mostly letters A to D in no favoured place', () => {
		expect(questions.length).toBeGreaterThanOrEqual(60);
		expect(questions.filter(({ gold }) => gold === null)).toEqual([]);
		const letters = questions.filter(({ answerKind }) => answerKind === 'letter');
		expect(letters.length).toBeGreaterThan(questions.length / 2);
		for (const letter of ['A', 'B', 'C', 'D']) {
			const share = letters.filter(({ gold }) => gold === letter).length / letters.length;
			expect(Math.abs(share - 0.25)).toBeLessThan(0.05);
		}
		expect(new Set(questions.map(({ answerKind }) => answerKind))).toEqual(
			new Set(['letter', 'number', 'boxed']),
		);
	});

	it('have choices that differ, and differ themselves', () => {
		expect(new Set(questions.map(({ text }) => text)).size).toBe(questions.length);
		for (const { choices } of questions) expect(new Set(choices).size).toBe(choices.length);
	});
});
