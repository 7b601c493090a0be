import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { experimentJsonSchema, loadExperiment } from '../../traces/index.ts';
import { readQuestions } from '../../traces/questions/read-questions.ts';
import { tokensPerByte } from '../../traces/questions/token-estimate.ts';
import { readProjectFile, repoRoot } from '../support/project-files.ts';
import { withFieldTable } from './experiment-fields.ts';

const file = 'docs/experiment.md';
const markdown = readProjectFile(file);
const blocks = [...markdown.matchAll(/^```(yaml|text)\n(.*?)^```$/gms)];
const examples = blocks.flatMap(([, kind, text]) =>
	kind === 'yaml' && text?.startsWith('format:') ? [text] : [],
);

let folder: string;
beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-docs-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(text: string): ReturnType<typeof loadExperiment> {
	const name = /^name: (.*)$/m.exec(text)?.[1] ?? 'unnamed';
	const copy = path.join(folder, `${name}.yaml`);
	writeFileSync(copy, text);
	return loadExperiment(copy);
}

describe(file, () => {
	// UPDATE_DOCS=1 npx vitest run test/docs writes it.
	it('names every field of the schema', () => {
		const current = withFieldTable(markdown, experimentJsonSchema());
		if (process.env.UPDATE_DOCS) writeFileSync(path.join(repoRoot, file), current);
		else expect(markdown).toBe(current);
	});

	it.each(examples)('has examples that are experiments: %#', (text) => {
		const { queries } = load(text);
		expect(queries).toHaveLength(Number(/^ {2}queries: (\d+)$/m.exec(text)?.[1]));
	});

	it('has two examples', () => {
		expect(examples).toHaveLength(2);
	});

	it('has examples of questions that are read', () => {
		const lines = /^```jsonl\n(.*?)^```$/ms.exec(markdown)?.[1] ?? '';
		const golds = readQuestions(lines, file).map(({ question }) => question.gold);
		expect(golds).toEqual(['B', '391', '\\sqrt{2}']);
	});

	it('states the rates of the tokenizers', () => {
		for (const tokenizer of ['qwen2_5', 'llama3', 'gemma2'])
			expect(markdown).toContain(`${tokensPerByte(tokenizer)} for ${tokenizer}`);
	});

	it('quotes the message of a mistake as it is', () => {
		const quoted = blocks.find(([, kind]) => kind === 'text')?.[2]?.trim() ?? '';
		const broken = examples[0]?.replace('Gemma: 250', 'Gemma: 251') ?? '';
		expect(() => load(broken)).toThrow(quoted);
	});
});
