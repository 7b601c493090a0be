import { z } from 'zod';

/** Names calls and rows of tables too. */
const questionId = z
	.string()
	.max(100)
	.regex(
		/^[A-Za-z0-9][\w.:-]*$/,
		'letters, digits, dots, dashes, colons and underscores, a letter or digit first',
	);

/** One line of a question file. */
export const questionLineSchema = z
	.strictObject({
		id: questionId.describe(
			'Name of the question: letters, digits, dots, dashes, colons, underscores; once in a file.',
		),
		task: z
			.string()
			.min(1)
			.optional()
			.describe("Task it belongs to, for tables and measured lengths; absent: the experiment's."),
		question: z.string().regex(/\S/, 'text that is not empty').describe('The question, without its choices.'),
		choices: z
			.array(z.string().regex(/\S/, 'text that is not empty'))
			.min(2)
			.max(26)
			.optional()
			.describe('Options of kind letter in order, named A, B, C, ... in the prompt.'),
		kind: z
			.enum(['letter', 'number', 'boxed'])
			.optional()
			.describe(
				'How the answer is written: letter of a choice, number, or content of a LaTeX \\boxed{}. Absent: letter with choices, else boxed.',
			),
		answer: z
			.union([z.string(), z.number()])
			.nullable()
			.optional()
			.describe('The right answer, for accuracy only: no prompt ever holds it. Absent or null: not known.'),
	})
	.describe('A question: one line of a JSON Lines file.');

export type QuestionLine = z.infer<typeof questionLineSchema>;

/** JSON Schema (draft 2020-12) of one line of a question file. */
export function questionJsonSchema(): Record<string, unknown> {
	return { title: 'MOSAIC question', ...z.toJSONSchema(questionLineSchema, { io: 'input' }) };
}
