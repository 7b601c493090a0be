import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readCalibration } from '../../traces/calibration-file.ts';
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

	it('has examples of past questions that are read', () => {
		const [, section = ''] = markdown.split('\n## Past questions of your own\n');
		const lines = /^```jsonl\n(.*?)^```$/ms.exec(section)?.[1] ?? '';
		const { pool } = parse(examples[0] ?? '') as { pool: string[] };
		const past = readCalibration(lines, file, { pool, slotsPerQuery: 3 });
		expect(past.map(({ task, correctAnswer }) => [task, correctAnswer])).toEqual([
			['', 'B'],
			['mmlu_pro', 'A'],
		]);
		for (const { answers, correctAnswer, aggregator } of past)
			expect(aggregator?.answer(answers)).toBe(correctAnswer);
	});

	it('says where a GPU type changes no step time', () => {
		expect(markdown).toContain(
			'made-up models of the bundled `tiny` and `quiz`, which are as fast on an H100',
		);
		for (const name of ['tiny', 'quiz']) {
			const steps = (sets: readonly string[]) =>
				loadExperiment(name, { sets }).profiles.map(({ model, tensorParallel, step }) => ({
					model,
					tensorParallel,
					step,
				}));
			expect(steps(['cluster.gpuType=H100-SXM-80GB'])).toEqual(steps([]));
		}
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
