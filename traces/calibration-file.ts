/** Past queries from a file: JSON Lines, one query a line. */
import { z } from 'zod';
import type { PastQuery } from '../sim/domain/calibration.ts';
import { UsageError } from '../sim/domain/errors.ts';
import { type ModelId, modelId } from '../sim/domain/ids.ts';
import { oneOf } from '../sim/domain/one-of.ts';
import type { Answer } from '../sim/domain/work.ts';
import { didYouMean } from './did-you-mean.ts';
import { expectation, mostTelling, show } from './experiment-problem.ts';

const text = z.string().min(1);
const tokens = z.int().min(0);
const answer = text.nullable();

const pastQuerySchema = z
	.strictObject({
		task: z.string().default('').describe('Task it belongs to, for people; absent: none.'),
		slots: z.array(text).min(1).max(64).describe('Expert of each slot, models of the pool.'),
		answers: z.array(answer).describe('What each said when it was left to end; null: no answer.'),
		outputTokens: z.array(tokens).describe('Tokens each generated.'),
		promptTokens: z.array(tokens).optional().describe('Prompt tokens of each; absent: 0.'),
		correct: text.describe('The right answer.'),
		aggregator: z
			.strictObject({
				answer: answer.describe('What it said to these answers; null: no answer.'),
				outputTokens: tokens.describe('Tokens it generated.'),
				promptTokens: tokens.default(0).describe('Prompt tokens.'),
			})
			.describe('The aggregation of exactly these answers.'),
	})
	.describe(
		'A past query: one line of a JSON Lines file. One question, one row: several of one question would count as independent.',
	);

type PastLine = z.infer<typeof pastQuerySchema>;

/** JSON Schema (draft 2020-12) of one line of a calibration file. */
export function calibrationJsonSchema(): Record<string, unknown> {
	return { title: 'MOSAIC calibration', ...z.toJSONSchema(pastQuerySchema, { io: 'input' }) };
}

export interface CalibrationTerms {
	/** Models that may have answered. */
	readonly pool: readonly string[];
	readonly slotsPerQuery: number;
}

/**
 * Reads a calibration file; empty lines are allowed. Rows are taken to be independent of each other: one question, one row.
 * @param place name of the file in messages
 * @throws UsageError E_CALIBRATION `file:line field: expected X, got Y`
 */
export function readCalibration(
	content: string,
	place: string,
	terms: CalibrationTerms,
): readonly PastQuery[] {
	const past = content
		.replace(/^\uFEFF/, '')
		.split('\n')
		.flatMap((line, index) => {
			if (line.trim() === '') return [];
			const at = `${place}:${index + 1}`;
			const read = parseLine(line, at);
			checkTerms(read, at, terms);
			return [toPastQuery(read)];
		});
	if (past.length < 2)
		throw problem(
			`${place}:1`,
			'the file',
			'two past queries or more, to learn from and to test on',
			String(past.length),
		);
	return past;
}

function parseLine(line: string, at: string): PastLine {
	let raw: unknown;
	try {
		raw = JSON.parse(line);
	} catch (error) {
		throw problem(at, 'the line', 'a JSON object', (error as Error).message.replace(/\s+/g, ' '));
	}
	const parsed = pastQuerySchema.safeParse(raw);
	if (parsed.success) return parsed.data;
	const issue = mostTelling(parsed.error.issues);
	const { path } = issue;
	const field = path.map(String).join('.');
	if (issue.code === 'unrecognized_keys') {
		const [key = ''] = issue.keys;
		const known = Object.keys(
			field === 'aggregator' ? pastQuerySchema.shape.aggregator.shape : pastQuerySchema.shape,
		);
		const name = field === '' ? key : `${field}.${key}`;
		throw problem(at, name, oneOf(known), `'${key}'${didYouMean(key, known)}`);
	}
	const got = path.reduce<unknown>(
		(value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
		raw,
	);
	throw problem(at, field === '' ? 'the line' : field, expectation(issue), show(got));
}

function checkTerms(line: PastLine, at: string, { pool, slotsPerQuery }: CalibrationTerms): void {
	const { slots } = line;
	if (slots.length !== slotsPerQuery)
		throw problem(
			at,
			'slots',
			`${slotsPerQuery} experts, as many as the queries of the experiment have`,
			String(slots.length),
		);
	for (const field of ['answers', 'outputTokens', 'promptTokens'] as const) {
		const { length } = line[field] ?? slots;
		if (length !== slots.length)
			throw problem(at, field, `${slots.length}, one a slot`, `a list of ${length}`);
	}
	const unknown = slots.findIndex((id) => !pool.includes(id));
	if (unknown < 0) return;
	const id = slots[unknown] ?? '';
	throw problem(
		at,
		`slots.${unknown}`,
		`an expert of the pool (${pool.join(', ')})`,
		`'${id}'${didYouMean(id, pool)}`,
	);
}

/** Nobody knows what the aggregator would have said to other answers than those that it was shown: then it counts as wrong. */
function toPastQuery(line: PastLine): PastQuery {
	const { answers, aggregator } = line;
	const same = (given: readonly Answer[]): boolean => given.every((each, index) => each === answers[index]);
	return {
		task: line.task,
		slots: line.slots.map((id): ModelId => modelId(id)),
		slotPromptTokens: line.promptTokens ?? line.slots.map(() => 0),
		answers,
		outputTokens: line.outputTokens,
		correctAnswer: line.correct,
		aggregator: {
			promptTokens: aggregator.promptTokens,
			outputTokens: aggregator.outputTokens,
			answer: (given) => (same(given) ? aggregator.answer : null),
		},
	};
}

const problem = (at: string, field: string, expected: string, got: string): UsageError =>
	new UsageError('E_CALIBRATION', `${at} ${field}: expected ${expected}, got ${got}`);
