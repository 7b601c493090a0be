import { UsageError } from '../../sim/domain/errors.ts';
import { queryId } from '../../sim/domain/ids.ts';
import { oneOf } from '../../sim/domain/one-of.ts';
import type { Question } from '../../sim/domain/question.ts';
import { didYouMean } from '../did-you-mean.ts';
import { expectation, show } from '../experiment-problem.ts';
import { normalAnswer } from './answer-form.ts';
import { closingBrace } from './boxed-form.ts';
import { type QuestionLine, questionLineSchema } from './question-schema.ts';

/** A question and the task that its line names, if any. */
export interface ReadQuestion {
	readonly question: Question;
	readonly task: string | undefined;
}

/**
 * Reads a question file: JSON Lines, one object a line (`questionLineSchema`), empty lines allowed.
 * @param place name of the file in messages
 * @throws UsageError E_QUESTIONS `file:line field: expected X, got Y`
 */
export function readQuestions(text: string, place: string): readonly ReadQuestion[] {
	const firstLine = new Map<string, number>();
	const questions = text
		.replace(/^\uFEFF/, '')
		.split('\n')
		.flatMap((line, index): ReadQuestion[] => {
			if (line.trim() === '') return [];
			const at = `${place}:${index + 1}`;
			const read = parseLine(line, at);
			const known = firstLine.get(read.id);
			if (known !== undefined)
				throw problem(at, 'id', 'each id once in the file', `'${read.id}', which line ${known} has too`);
			firstLine.set(read.id, index + 1);
			return [{ question: toQuestion(read, at), task: read.task }];
		});
	if (questions.length === 0) throw problem(`${place}:1`, 'the file', 'a question a line', 'none');
	return questions;
}

function parseLine(line: string, at: string): QuestionLine {
	let raw: unknown;
	try {
		raw = JSON.parse(line);
	} catch (error) {
		throw problem(at, 'the line', 'a JSON object', `${(error as Error).message.replace(/\s+/g, ' ')}`);
	}
	const parsed = questionLineSchema.safeParse(raw);
	if (parsed.success) return parsed.data;
	const issue = parsed.error.issues[0];
	if (issue?.code === 'unrecognized_keys') {
		const [key = ''] = issue.keys;
		const known = Object.keys(questionLineSchema.shape);
		throw problem(at, key, oneOf(known), `'${key}'${didYouMean(key, known)}`);
	}
	const path = issue?.path ?? [];
	const got = path.reduce<unknown>(
		(value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
		raw,
	);
	const expected =
		path[0] === 'answer' ? 'text or a number' : issue === undefined ? 'a question' : expectation(issue);
	throw problem(at, path.length === 0 ? 'the line' : path.map(String).join('.'), expected, show(got));
}

function toQuestion(line: QuestionLine, at: string): Question {
	const { id, question: text, choices = [], answer } = line;
	const kind = line.kind ?? (line.choices === undefined ? 'boxed' : 'letter');
	if (kind === 'letter' && line.choices === undefined)
		throw problem(at, 'choices', 'a list of options, which kind letter needs', 'nothing');
	if (kind !== 'letter' && line.choices !== undefined)
		throw problem(at, 'choices', `nothing beside kind ${kind}`, 'a list');
	const gold =
		answer === undefined || answer === null ? null : normalAnswer(kind, choices.length, String(answer));
	if (gold === null && answer !== undefined && answer !== null) {
		const expected = {
			letter: `a letter among its ${choices.length} choices`,
			number: 'a number',
			boxed: 'text that is not empty',
		};
		throw problem(at, 'answer', expected[kind], show(answer));
	}
	if (kind === 'boxed' && gold !== null && closingBrace(`{${gold}}`, 0) !== gold.length + 1)
		throw problem(at, 'answer', 'text whose braces match', show(answer));
	return { query: queryId(id), text: text.trim(), choices, answerKind: kind, gold };
}

const problem = (at: string, field: string, expected: string, got: string): UsageError =>
	new UsageError('E_QUESTIONS', `${at} ${field}: expected ${expected}, got ${got}`);
