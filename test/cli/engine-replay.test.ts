import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { itShared } from '../support/shared.ts';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** One request of 3 prompt and 2 output tokens, alone: a step that reads the prompt, and one that ends it. */
const trace = {
	format: 1,
	name: 'alone',
	config: {
		blockSize: 16,
		numGpuBlocks: 10,
		maxNumSeqs: 4,
		maxNumBatchedTokens: 64,
		maxModelLen: 128,
		longPrefillTokenThreshold: 0,
		policy: 'fcfs',
		asyncScheduling: false,
		watermark: 0,
		reserveFullIsl: false,
		prefixCaching: false,
	},
	requests: [
		{
			arrive: 0,
			prompt: [['p', 0, 3]],
			output: 2,
			end: 'length',
			maxTokens: 2,
			priority: 0,
			abort: null,
			preemptions: 0,
		},
	],
	steps: [
		{ t: 0, n: 1, s: [[0, 3]], adm: [[0, 0]], pre: [], fin: [], abo: [], run: 1, wait: 0, used: 1, used2: 1 },
		{ t: 1, n: 1, s: [[0, 1]], adm: [], pre: [], fin: [0], abo: [], run: 1, wait: 0, used: 1, used2: 1 },
	],
};
/** The same, told wrongly: 5 blocks in use. */
const wrong = {
	...trace,
	name: 'wrong',
	steps: trace.steps.map((row) => ({ ...row, used: 5, used2: 5 })),
};

it('counts traces and steps over several files, plain and packed', async () => {
	const cwd = temporaryFolder();
	writeFileSync(path.join(cwd, 'a.jsonl'), `${JSON.stringify(trace)}\n\n${JSON.stringify(trace)}\n`);
	writeFileSync(path.join(cwd, 'b.jsonl.gz'), gzipSync(JSON.stringify(trace)));
	const { code, stdout } = await mosaic(['engine', 'replay', 'a.jsonl', 'b.jsonl.gz', '--json'], { cwd });
	expect(JSON.parse(stdout)).toEqual({ traces: 3, steps: 6, mismatches: 0, first: null });
	expect(code).toBe(0);
});

it('exits 3 at a mismatch and says where the first is', async () => {
	const cwd = temporaryFolder();
	writeFileSync(
		path.join(cwd, 'a.jsonl'),
		[trace, wrong, wrong].map((line) => JSON.stringify(line)).join('\n'),
	);
	const first = { trace: 'wrong', step: 0, field: 'used', expected: '5', got: '1' };
	const json = await mosaic(['engine', 'replay', 'a.jsonl', '--json'], { cwd });
	expect(JSON.parse(json.stdout)).toMatchObject({ traces: 3, mismatches: 2, first });
	expect(json.code).toBe(3);
	const text = await mosaic(['engine', 'replay', 'a.jsonl', '--mode', 'stepwise'], { cwd });
	expect(text.stdout).toMatch(
		/^3 traces, \d+ steps, 2 mismatches\nfirst: wrong, step 0, used: expected 5, got 1\n$/,
	);
	expect(text.code).toBe(3);
});

it.each([
	['a file that is not there', [], /nothing\.jsonl: expected a file of scheduler traces, got nothing there/],
	['a broken line', ['nothing.jsonl', '{"format": 1'], /nothing\.jsonl:1: expected one JSON object a line/],
	[
		'an empty file',
		['nothing.jsonl', '\n'],
		/nothing\.jsonl: expected a scheduler trace a line, got an empty/,
	],
	[
		'a packed file that is not packed',
		['nothing.jsonl.gz', 'x'],
		/nothing\.jsonl\.gz: expected a readable file/,
	],
])('answers %s with one line and exit 2', async (_, [name = 'nothing.jsonl', content], line) => {
	const cwd = temporaryFolder();
	if (content !== undefined) writeFileSync(path.join(cwd, name), content);
	const { code, stdout, stderr } = await mosaic(['engine', 'replay', name, '--quiet', '--json'], { cwd });
	expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
	expect(stderr).toMatch(line);
	expect(stderr.trimEnd()).not.toContain('\n');
});

it('knows the modes of the engine model', async () => {
	const { code, stderr } = await mosaic(['engine', 'replay', 'x', '--mode', 'stepwize'], { cwd: '.' });
	expect({ code, stderr }).toEqual({
		code: 2,
		stderr: "mosaic: unknown mode 'stepwize' (did you mean 'stepwise'?); expected one of stepwise, leaping\n",
	});
});

for (const mode of ['stepwise', 'leaping'])
	itShared(
		'golden/scheduler-small.jsonl.gz',
		`finds no mismatch in the small recordings, ${mode}`,
		async (file) => {
			const replay = ['engine', 'replay', file, '--json', '--quiet', '--mode', mode];
			const { code, stdout } = await mosaic(replay, { cwd: '.' });
			expect(JSON.parse(stdout)).toMatchObject({ traces: 240, mismatches: 0, first: null });
			expect(code).toBe(0);
		},
	);
