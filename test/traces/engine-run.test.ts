import { expect, it } from 'vitest';
import { readEngineRuns } from '../../traces/import/engine-run.ts';
import { isServingTable, readServingTable } from '../../traces/import/serving-csv.ts';
import { readShared } from '../support/read-shared.ts';
import { itShared } from '../support/shared.ts';

const call = {
	id: 0,
	sentS: 0.001,
	firstS: 0.04,
	lastS: 0.06,
	chunks: 2,
	promptTokens: 16,
	cachedTokens: 0,
	outputTokens: 2,
	prompt: [['p', 0, 16]],
};
const run = {
	format: 1,
	engine: 'vllm 0.32.0 cpu',
	model: 'small8',
	name: 'small8-grid-b1',
	startSeconds: 38.1,
	config: {
		maxNumSeqs: 4,
		maxNumBatchedTokens: 64,
		maxModelLen: 256,
		blockSize: 16,
		prefixCaching: true,
		model: { layers: 8 },
		numGpuBlocks: 20,
	},
	calls: [call],
	counters: { num_preemptions_total: 0, generation_tokens_total: 2 },
	iterations: [
		[101, 1, 16, 0, 0, 29.48],
		[102, 0, 0, 1, 1, 12.12],
	],
};

it('reads a run', () => {
	const [read, ...others] = readEngineRuns(`\n${JSON.stringify(run)}\n`, 'a.jsonl');
	expect(others).toEqual([]);
	expect(read).toEqual({
		name: 'small8-grid-b1',
		place: 'a.jsonl:2',
		server: 'small8, vllm 0.32.0 cpu',
		config: {
			maxNumSeqs: 4,
			maxNumBatchedTokens: 64,
			maxModelLen: 256,
			blockSize: 16,
			prefixCaching: true,
			numGpuBlocks: 20,
			longPrefillTokenThreshold: 0,
			policy: 'fcfs',
			asyncScheduling: false,
			watermark: 0,
			reserveFullIsl: true,
		},
		calls: [
			{
				id: '0',
				sentUs: 1000,
				firstTokenUs: 40_000,
				lastTokenUs: 60_000,
				promptTokens: 16,
				promptSegments: [['p', 0, 16]],
				cachedPromptTokens: 0,
				outputTokens: 2,
			},
		],
		steps: [
			{ prefillSequences: 1, prefillTokens: 16, decodeSequences: 0, decodeTokens: 0, modelUs: 29_480 },
			{ prefillSequences: 0, prefillTokens: 0, decodeSequences: 1, decodeTokens: 1, modelUs: 12_120 },
		],
		preemptions: 0,
	});
});

const withCall = (changes: object) => ({ ...run, calls: [{ ...call, ...changes }] });
const withConfig = (changes: object) => ({ ...run, config: { ...run.config, ...changes } });

it.each([
	['an empty file', '', 'a:1: the line: expected one measured run a line, got an empty file'],
	['a cut line', JSON.stringify(run).slice(0, 90), /^a:1: the line: expected one JSON object a line, got .+/],
	['something else', 'mosaic', /^a:1: the line: expected one JSON object a line/],
	['a list', '[]', 'a:1: the line: expected a mapping, got a list'],
	['another format', { ...run, format: 2 }, 'a:1: format: expected 1, got 2'],
	[
		'a trace of another kind',
		{ format: 1, name: 'x', requests: [], steps: [] },
		/^a:1: engine: expected text/,
	],
	['no calls', { ...run, calls: [] }, 'a:1: calls: expected a list of at least 1, got a list'],
	[
		'half a token',
		withCall({ outputTokens: 1.5 }),
		/^a:1: calls\[0\]\.outputTokens: expected a whole number/,
	],
	['a negative count', withCall({ promptTokens: -1 }), /^a:1: calls\[0\]\.promptTokens: expected at least 1/],
	['a token before it was asked for', withCall({ firstS: 0 }), /calls\[0\]\.firstS: expected at least sentS/],
	['an end before the start', withCall({ lastS: 0.03 }), /calls\[0\]\.lastS: expected at least firstS/],
	['parts that are not the prompt', withCall({ prompt: [['p', 0, 9]] }), /calls\[0\]\.prompt: .* 16, got 9/],
	['more cached than asked', withCall({ cachedTokens: 16 }), /calls\[0\]\.cachedTokens: expected less than/],
	[
		'more than the context',
		withCall({ outputTokens: 241 }),
		/calls\[0\]\.outputTokens: expected at most 240/,
	],
	['an id twice', { ...run, calls: [call, call] }, 'a:1: calls: expected each id once, got one twice'],
	['a short iteration', { ...run, iterations: [[1, 2, 3]] }, /^a:1: iterations\[0\]/],
	[
		'a step of no time',
		{ ...run, iterations: [[1, 1, 16, 0, 0, 0]] },
		/iterations\[0\]\[5\]: expected more than 0/,
	],
	[
		'a budget below the seats',
		withConfig({ maxNumBatchedTokens: 3 }),
		/config\.maxNumBatchedTokens: .*maxNumSeqs/,
	],
	[
		'too few blocks',
		withConfig({ numGpuBlocks: 16 }),
		/config\.numGpuBlocks: expected at least 17.*, got 16/,
	],
])('refuses %s in one line that names the place', (_, content, message) => {
	const text = typeof content === 'string' ? content : JSON.stringify(content);
	expect(() => readEngineRuns(text, 'a')).toThrow(message);
	try {
		readEngineRuns(text, 'a');
	} catch (error) {
		expect(error).toMatchObject({ name: 'UsageError', code: 'E_MEASURED_RUN' });
		expect((error as Error).message).not.toContain('\n');
	}
});

itShared('golden/engine-cpu-small8.jsonl.gz', 'reads the recordings', (file) => {
	const runs = readEngineRuns(readShared(file), 'x');
	expect(runs).toHaveLength(25);
	expect(runs.reduce((sum, { preemptions }) => sum + preemptions, 0)).toBe(47);
});

const HEADER = 'model,gpu,prompt_tokens,output_tokens,concurrent_requests,ttft_ms,tpot_ms';

it('reads a table of serving measurements, its columns in any order', () => {
	const text =
		'tpot_ms,gpu,note,concurrent_requests,model,prompt_tokens,output_tokens,ttft_ms\n7.5,h,x,8,m,100,20,90\n';
	expect(isServingTable(text)).toBe(true);
	expect(isServingTable(JSON.stringify(run))).toBe(false);
	expect(readServingTable(text, 'a')).toEqual([
		{
			place: 'a:2',
			model: 'm',
			gpu: 'h',
			promptTokens: 100,
			outputTokens: 20,
			concurrency: 8,
			ttftMs: 90,
			tpotMs: 7.5,
		},
	]);
});

it.each([
	[HEADER.replace('ttft_ms,', ''), 'a:1: ttft_ms: expected a column of that name, got none'],
	[HEADER, 'a:2: the line: expected a measurement, got nothing'],
	[`${HEADER}\nm,h,1,2,3`, 'a:2: the line: expected 7 cells, got 5'],
	[`${HEADER}\nm,h,1.5,2,3,4,5`, "a:2: prompt_tokens: expected a whole number of at least 1, got '1.5'"],
	[`${HEADER}\nm,h,1,2,3,4,`, "a:2: tpot_ms: expected a number of more than 0, got ''"],
])('refuses a table that is not one: %j', (text, message) => {
	expect(() => readServingTable(text, 'a')).toThrow(message);
});
