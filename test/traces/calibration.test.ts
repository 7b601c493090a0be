import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { PastQuery } from '../../sim/domain/calibration.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { expertCallId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { calibrationJsonSchema, readCalibration } from '../../traces/calibration-file.ts';
import { experimentNames, loadExperiment } from '../../traces/index.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-past-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, text: string): string => {
	writeFileSync(path.join(folder, name), text);
	return path.join(folder, name);
};

const gateOf = (text: string, sets: readonly string[] = [], gate?: string) => {
	const { resolved } = loadExperiment('tiny', { sets });
	const { gate: _, ...others } = resolved;
	const place = file('e.yaml', `${stringify(others)}${text}\n`);
	const setup = loadExperiment(place, { sets, ...(gate !== undefined && { gate }) });
	return { name: setup.gate, ...setup.gateOptions };
};

const DEFAULTS = { name: 'never', budgetPoints: 0.1, confidence: 0.9, auditShare: 0, cuts: true };

describe('the gate field', () => {
	it('is a name, or a name with options, or nothing', () => {
		expect(gateOf('')).toEqual(DEFAULTS);
		expect(gateOf('gate: majority')).toEqual({ ...DEFAULTS, name: 'majority' });
		expect(gateOf('gate: { budgetPoints: 0.5, audit: 0.05, cuts: false, confidence: 0.95 }')).toEqual({
			name: 'never',
			budgetPoints: 0.5,
			confidence: 0.95,
			auditShare: 0.05,
			cuts: false,
		});
	});

	it('takes options with --set, whatever the file says, and its name alone with --gate', () => {
		for (const text of ['', 'gate: majority', 'gate: { name: majority, audit: 0.1 }']) {
			const set = gateOf(text, ['gate.budgetPoints=0.2']);
			expect(set).toMatchObject({ name: text === '' ? 'never' : 'majority', budgetPoints: 0.2 });
			const named = gateOf(text, ['gate.budgetPoints=0.2'], 'calibrated');
			expect(named).toEqual({ ...set, name: 'calibrated' });
		}
		expect(gateOf('gate: { audit: 0.1 }', ['gate=unanimous'])).toEqual({ ...DEFAULTS, name: 'unanimous' });
	});

	it.each([
		['gate: { budget: 1 }', 'gate.budget: expected one of name, budgetPoints,'],
		['gate: { budgetPoints: -1 }', 'gate.budgetPoints: expected at least 0, got -1'],
		['gate: { confidence: 1 }', 'gate.confidence: expected less than 1, got 1'],
		['gate: { audit: 1.5 }', 'gate.audit: expected at most 1, got 1.5'],
		['gate: 5', 'gate: expected text or a mapping, got 5'],
		['gate: { calibration: none.jsonl }', "gate.calibration: expected a readable calibration file, got '"],
	])('%s is a mistake with a place', (text, expected) => {
		expect(messageOf(() => gateOf(text))).toContain(expected);
	});
});

describe('simulated past queries', () => {
	const signature = (prompts: readonly number[], outputs: readonly number[]): string =>
		`${prompts}/${outputs}`;
	const ofRun = ({ queries, truth }: Setup): string[] =>
		queries.map(({ id, slots, slotPromptTokens }) =>
			signature(
				slotPromptTokens,
				slots.map((_, slot) => truth.call(expertCallId(id, slot)).outputTokens),
			),
		);
	const ofPast = (past: readonly PastQuery[]): string[] =>
		past.map(({ slotPromptTokens, outputTokens }) => signature(slotPromptTokens, outputTokens));

	it('are never those of a run, whatever its seed, nor those of another seed', () => {
		const load = (seed: number): Setup =>
			loadExperiment('gpqa', { seed, sets: ['gate.calibrationQueries=2000'] });
		const seeds = [0, 1, 2, 7];
		const pasts = seeds.map((seed) => new Set(ofPast(load(seed).calibration.queries())));
		for (const [index, past] of pasts.entries()) {
			expect(past.size).toBeGreaterThan(1990);
			for (const seed of seeds) expect(ofRun(load(seed)).filter((each) => past.has(each))).toEqual([]);
			for (const other of pasts.slice(index + 1))
				expect([...other].filter((each) => past.has(each))).toEqual([]);
		}
	});

	it('are drawn when first asked for, the same every time, and move nothing in the run', () => {
		const setup = loadExperiment('gpqa', { sets: ['gate.calibrationQueries=500'] });
		const before = ofRun(setup);
		expect(setup.calibration.source).toBe('500 simulated past queries');
		const past = setup.calibration.queries();
		expect(past).toHaveLength(500);
		expect(setup.calibration.queries()).toBe(past);
		expect(ofRun(setup)).toEqual(before);
		const again = loadExperiment('gpqa', {
			gate: 'calibrated',
			sets: ['gate.calibrationQueries=500', 'cluster.gpuCount=8', 'gate.budgetPoints=3'],
		});
		expect(ofPast(again.calibration.queries())).toEqual(ofPast(past));
	});

	it.each(experimentNames())('%s: asks the experts as the run does', (name) => {
		const setup = loadExperiment(name, { sets: ['gate.calibrationQueries=4000'] });
		const past = setup.calibration.queries();
		const share = (slots: readonly (readonly string[])[], model: string): number =>
			slots.flat().filter((each) => each === model).length / slots.flat().length;
		for (const { id } of setup.models) {
			const ofPastSlots = share(
				past.map(({ slots }) => slots),
				id,
			);
			expect(ofPastSlots).toBeCloseTo(
				share(
					setup.queries.map(({ slots }) => slots),
					id,
				),
				1,
			);
		}
		const tasks = (queries: readonly { readonly task: string }[]): string[] =>
			[...new Set(queries.map(({ task }) => task))].sort();
		expect(tasks(past)).toEqual(tasks(setup.queries));
	});

	it('know that an aggregator at its limit never gets to its answer', () => {
		const past = loadExperiment('aime24', { sets: ['gate.calibrationQueries=3000'] }).calibration.queries();
		const atLimit = past.filter(({ aggregator }) => (aggregator?.outputTokens ?? 0) >= 32_768);
		expect(atLimit.length).toBeGreaterThan(10);
		for (const { aggregator, answers } of atLimit) expect(aggregator?.answer(answers)).toBeNull();
		const others = past.filter(({ aggregator }) => (aggregator?.outputTokens ?? 0) < 16_000);
		for (const { aggregator, answers } of others) expect(aggregator?.answer(answers)).not.toBeNull();
	});
});

describe('a calibration file', () => {
	const terms = { pool: ['Gemma', 'Qwen'], slotsPerQuery: 2 };
	const line = {
		slots: ['Gemma', 'Qwen'],
		answers: ['A', null],
		outputTokens: [10, 20],
		correct: 'A',
		aggregator: { answer: 'A', outputTokens: 30 },
	};
	const text = (...lines: object[]): string => `${lines.map((each) => JSON.stringify(each)).join('\n')}\n`;

	it('gives past queries whose aggregation is known for the recorded answers alone', () => {
		const [past] = readCalibration(text(line, line), 'past.jsonl', terms);
		expect(past).toMatchObject({
			task: '',
			slots: ['Gemma', 'Qwen'],
			slotPromptTokens: [0, 0],
			correctAnswer: 'A',
		});
		expect(past?.aggregator?.answer(['A', null])).toBe('A');
		expect(past?.aggregator?.answer([null, null])).toBeNull();
	});

	it('reads a line with the defaults of its own schema written out', () => {
		const { properties } = calibrationJsonSchema() as {
			properties: Record<string, { default?: unknown; properties?: Record<string, { default?: unknown }> }>;
		};
		const task = properties.task?.default;
		const promptTokens = properties.aggregator?.properties?.promptTokens?.default;
		expect([task, promptTokens]).toEqual(['', 0]);
		const written = { ...line, task, aggregator: { ...line.aggregator, promptTokens } };
		const read = (each: object) => JSON.stringify(readCalibration(text(each, each), 'past.jsonl', terms));
		expect(read(written)).toBe(read(line));
	});

	it.each([
		[
			{ ...line, slots: ['Gemma', 'Qwne'] },
			"slots.1: expected an expert of the pool (Gemma, Qwen), got 'Qwne' (did you mean 'Qwen'?)",
		],
		[
			{ ...line, slots: ['Gemma'] },
			'slots: expected 2 experts, as many as the queries of the experiment have, got 1',
		],
		[{ ...line, answers: ['A'] }, 'answers: expected 2, one a slot, got a list of 1'],
		[{ ...line, outputTokens: [10, 1.5] }, 'outputTokens.1: expected a whole number, got 1.5'],
		[
			{ ...line, answers: undefined, anwers: ['A', null] },
			"anwers: expected one of task, slots, answers, outputTokens, promptTokens, correct, aggregator, got 'anwers' (did you mean 'answers'?)",
		],
		[
			{ ...line, corect: 'A' },
			"corect: expected one of task, slots, answers, outputTokens, promptTokens, correct, aggregator, got 'corect' (did you mean 'correct'?)",
		],
		[
			{ ...line, aggregator: { answer: 'A' } },
			'aggregator.outputTokens: expected a finite number, got nothing',
		],
		[{ ...line, correct: undefined }, 'correct: expected text, got nothing'],
		[[], 'the line: expected a mapping, got a list'],
	])('%j is a mistake on its line', (bad, expected) => {
		expect(messageOf(() => readCalibration(text(line, bad), 'past.jsonl', terms))).toBe(
			`past.jsonl:2 ${expected}`,
		);
	});

	it('needs two rows, to learn from and to test on', () => {
		expect(messageOf(() => readCalibration(text(line), 'past.jsonl', terms))).toBe(
			'past.jsonl:1 the file: expected two past queries or more, to learn from and to test on, got 1',
		);
	});

	it('is found beside the experiment, kept with the run, and runs again from there', () => {
		const rows = Array.from({ length: 5 }, () => ({
			...line,
			slots: ['toy-short', 'toy-reason', 'toy-chatty'],
			answers: ['A', 'A', 'B'],
			outputTokens: [1, 2, 3],
		}));
		file('past.jsonl', text(...rows));
		const { resolved } = loadExperiment('tiny');
		const place = file(
			'mine.yaml',
			stringify({ ...resolved, gate: { name: 'calibrated', calibration: 'past.jsonl' } }),
		);
		const setup = loadExperiment(place);
		expect(setup.calibration.source).toBe('5 past queries of past.jsonl');
		expect(setup.calibration.queries()).toHaveLength(5);
		expect(setup.resolved.gate).toMatchObject({ calibration: 'calibration.jsonl' });
		expect(setup.inputs).toEqual([{ name: 'calibration.jsonl', text: text(...rows) }]);
		file('calibration.jsonl', text(...rows));
		const again = loadExperiment(file('again.yaml', stringify(setup.resolved)));
		expect(again.calibration.queries()).toHaveLength(5);
	});
});

function messageOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		expect(error.message).not.toContain('\n');
		return error.message;
	}
	throw new Error('expected a UsageError');
}
