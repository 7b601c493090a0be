import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { UsageError } from '../../sim/domain/errors.ts';
import { expertCallId, queryId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { loadExperiment } from '../../traces/index.ts';
import { aggregatorPrompt, expertPrompt } from '../../traces/questions/prompt-text.ts';
import { drawnQueries, plain } from './sample.ts';

const temporary = mkdtempSync(path.join(tmpdir(), 'mosaic-questions-'));
// Deep, so that no path from here means the same from the project.
const folder = path.join(temporary, 'one/two/three');
afterAll(() => rmSync(temporary, { recursive: true }));

const questions = [
	{
		id: 'first',
		question: 'Which of these is the largest number of all?',
		choices: ['1', '2', '3'],
		answer: 'C',
	},
	{ id: 'second', question: 'How many?', kind: 'number', answer: 12, task: 'counting' },
	{ id: 'third', question: 'Which formula?', kind: 'boxed', answer: 'x+1' },
	{ id: 'fourth', question: 'Nobody knows this one?', choices: ['yes', 'no'] },
];
const jsonLines = questions.map((question) => JSON.stringify(question)).join('\n');
const yaml = `format: 1
name: asked
cluster: { gpuType: A100-SXM-80GB, gpuCount: 2 }
pool: [Gemma, QwenR1, Qwen]
workload:
  task: mmlu_pro
  questions: texts/asked.jsonl
  slots: { Gemma: 5, QwenR1: 4, Qwen: 3 }
aggregator: { model: QwenR1 }
`;

/** Writes the experiment, or one made of it, beside its questions. */
function write(name: string, text: string = yaml): string {
	mkdirSync(path.join(folder, 'texts'), { recursive: true });
	writeFileSync(path.join(folder, 'texts/asked.jsonl'), jsonLines);
	const file = path.join(folder, `${name}.yaml`);
	writeFileSync(file, text);
	return file;
}
const load = (seed = 0, sets: readonly string[] = []): Setup =>
	loadExperiment(write('asked'), { seed, sets });

function messageOf(text: string, sets: readonly string[] = []): string {
	try {
		loadExperiment(write('bad', text), { sets });
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		return error.message.replaceAll(`${folder}${path.sep}`, '');
	}
	throw new Error('expected a UsageError');
}

describe('a workload from a question file', () => {
	it('asks the questions of the file in their order, with their ids and tasks', () => {
		const setup = load();
		expect(setup.queries.map(({ id, task }) => [id, task])).toEqual([
			['first', 'mmlu_pro'],
			['second', 'counting'],
			['third', 'mmlu_pro'],
			['fourth', 'mmlu_pro'],
		]);
		expect(setup.questions?.map(({ query, text }) => [query, text])).toEqual(
			questions.map(({ id, question }) => [id, question]),
		);
	});

	it('deals the slots by their counts', () => {
		const slots = load(3).queries.flatMap((query) => query.slots);
		const count = (model: string): number => slots.filter((slot) => slot === model).length;
		expect([count('Gemma'), count('QwenR1'), count('Qwen')]).toEqual([5, 4, 3]);
	});

	it('takes right answers from the file, so drawn answers agree with it as often as the answer model says', () => {
		const sets = ['workload.answers={options: 4, mu: 1, s: 0, lam: 0.5}'];
		let right = 0;
		let whole = 0;
		for (let seed = 0; seed < 80; seed++) {
			const setup = load(seed, sets);
			const correct = setup.queries.map(({ id }) => setup.truth.query(id).correctAnswer);
			expect(correct.slice(0, 3)).toEqual(['C', '12', 'x+1']);
			expect(['A', 'B']).toContain(correct[3]);
			for (const call of drawnQueries(setup).flat()) {
				if (call.truncated) continue;
				whole++;
				if (call.right) right++;
			}
		}
		// 1 / (1 + exp(-1)); four standard deviations of about 960 draws.
		expect(Math.abs(right / whole - 0.731)).toBeLessThan(4 * Math.sqrt((0.731 * 0.269) / whole));
	});

	it('lets wrong letters be those of the choices, and wrong numbers numbers', () => {
		const seen = new Map<string, Set<string>>();
		for (let seed = 0; seed < 30; seed++) {
			const setup = load(seed);
			for (const { id, slots } of setup.queries)
				for (const [slot] of slots.entries()) {
					const { answer } = setup.truth.call(expertCallId(id, slot));
					if (answer !== null) seen.set(id, (seen.get(id) ?? new Set()).add(answer));
				}
		}
		expect([...(seen.get('first') ?? [])].sort()).toEqual(['A', 'B', 'C']);
		expect([...(seen.get('fourth') ?? [])].sort()).toEqual(['A', 'B']);
		for (const answer of seen.get('second') ?? []) expect(answer).toMatch(/^-?\d+$/);
	});

	it('the drawn aggregator answers in the words of the question', () => {
		const setup = load(1);
		const answer = (id: string) => setup.truth.query(queryId(id)).aggregatorAnswer(['11', '11', '13']);
		expect(['11', '12', '13']).toContain(answer('second'));
	});

	it('estimates prompt tokens from the very text that is sent', () => {
		const setup = load();
		const [first] = setup.questions ?? [];
		if (first === undefined) throw new Error('no question');
		const bytes = Buffer.byteLength(expertPrompt(first));
		const { slots = [], slotPromptTokens = [] } = setup.queries[0] ?? {};
		const expected: Record<string, number> = {
			Gemma: Math.round(bytes * 0.204) + 10,
			QwenR1: Math.round(bytes * 0.215) + 4,
			Qwen: Math.round(bytes * 0.215) + 29,
		};
		expect(slotPromptTokens).toEqual(slots.map((slot) => expected[slot]));
		const perByte = load(0, [
			'models.Own={modelClass: instruct, weightBytes: 1, kvBytesPerToken: 1, contextLimitTokens: 4096, outputLimitTokens: 99, attentionHeads: 1, tokenizer: bytes, chatWrapperTokens: 7, stepCost: {baseUs: 1}}',
			'pool=[Own]',
			'workload.slots={Own: 12}',
			'workload.lengths.Own={body: {family: constant, tokens: 9}, capTokens: 99}',
			'aggregator=null',
		]);
		expect(perByte.queries[0]?.slotPromptTokens).toEqual([bytes + 7, bytes + 7, bytes + 7]);
		expect(perByte.tokensPerByte).toEqual({ Own: 1 });
	});

	it('knows the fixed parts of an aggregator prompt: question prompt, answers and they make up the whole', () => {
		const bytes = load(0, [
			'models.QwenR1={modelClass: reasoning, weightBytes: 1, kvBytesPerToken: 1, contextLimitTokens: 4096, outputLimitTokens: 99, attentionHeads: 1, tokenizer: bytes, stepCost: {baseUs: 1}}',
		]);
		const { baseTokens, perAnswerTokens } = bytes.aggregatorPrompt;
		for (const question of bytes.questions ?? []) {
			const answers = ['It is so.', 'The answer is (B).', 'Hm'];
			const parts = Buffer.byteLength(expertPrompt(question)) + Buffer.byteLength(answers.join(''));
			const whole = Buffer.byteLength(aggregatorPrompt(question, answers));
			expect(whole).toBe(baseTokens + 3 * perAnswerTokens + parts);
		}
	});

	it('forecasts every task that occurs', () => {
		const { lengths } = load();
		const of = (model: string, role: string) =>
			lengths.filter((each) => each.model === model && each.role === role);
		expect(of('QwenR1', 'expert').map(({ task }) => task)).toEqual(['mmlu_pro', 'counting']);
		expect(of('QwenR1', 'aggregator').map(({ task }) => task)).toEqual(['mmlu_pro', 'counting']);
		// A task that nobody knows has the lengths of the experiment's own.
		expect(of('Gemma', 'expert')[1]?.distribution).toEqual(of('Gemma', 'expert')[0]?.distribution);
		expect(of('Gemma', 'expert')[1]?.meanPromptTokens).toBeLessThan(
			of('Gemma', 'expert')[0]?.meanPromptTokens ?? 0,
		);
		// A bundled task brings its own lengths.
		const bundled = loadExperiment(write('other', yaml), { sets: ['workload.task=gpqa'] });
		const gpqa = bundled.lengths.find((each) => each.model === 'Gemma' && each.task === 'gpqa');
		expect(gpqa?.distribution).not.toEqual(of('Gemma', 'expert')[0]?.distribution);
	});

	it('keeps the first questions when asked to', () => {
		const setup = load(0, ['workload.keepQueries=2']);
		expect(setup.queries.map(({ id }) => id)).toEqual(['first', 'second']);
		expect(setup.questions?.map(({ query }) => query)).toEqual(['first', 'second']);
	});

	it('runs again from a folder that keeps the resolved experiment and its inputs, wherever that lies', () => {
		const setup = load(5);
		const copy = path.join(folder, 'copy');
		mkdirSync(copy);
		expect(setup.inputs).toEqual([{ name: 'questions.jsonl', text: jsonLines }]);
		for (const { name, text } of setup.inputs) writeFileSync(path.join(copy, name), text);
		writeFileSync(path.join(copy, 'experiment.yaml'), stringify(setup.resolved));
		expect(plain(loadExperiment(path.join(copy, 'experiment.yaml')))).toBe(plain(setup));
	});

	it('a --set names a file from where the program runs', () => {
		const other = path.join(folder, 'texts/other.jsonl');
		writeFileSync(other, jsonLines.replace('Which formula?', 'Which of them?'));
		const { questions: asked } = load(0, [`workload.questions=${path.relative(process.cwd(), other)}`]);
		expect(asked?.[2]?.text).toBe('Which of them?');
	});

	it.each([
		[
			'texts/asked.jsonl',
			'texts/nowhere.jsonl',
			"bad.yaml:7:3 workload.questions: expected a readable question file, got 'texts/nowhere.jsonl', no such file",
		],
		[
			'texts/asked.jsonl',
			'texts',
			"bad.yaml:7:3 workload.questions: expected a readable question file, got 'texts', a folder",
		],
		['texts/asked.jsonl', 'bad.yaml', 'bad.yaml:1 the line: expected a JSON object, got'],
		[
			'Gemma: 5',
			'Gemma: 6',
			'bad.yaml:8:3 workload.slots: expected counts that add up to 12 (4 queries x 3 slots), got 13',
		],
		[
			'slots:',
			'queries: 5\n  slots:',
			'bad.yaml:8:3 workload.queries: expected nothing beside workload.questions, or its 4 questions, got 5',
		],
		[
			'slots:',
			'keepQueries: 5\n  slots:',
			'bad.yaml:8:3 workload.keepQueries: expected at most 4, the questions of the batch, got 5',
		],
		[
			'  questions: texts/asked.jsonl\n',
			'',
			'bad.yaml:5:1 workload.queries: expected a whole number, or a question file in workload.questions, got nothing',
		],
	])('%j -> %j', (from, to, message) => {
		expect(messageOf(yaml.replace(from, to))).toContain(message);
	});
});
