import { describe, expect, it } from 'vitest';
import { UsageError } from '../../sim/domain/errors.ts';
import { parseTrace, replayTrace } from '../../sim/engine/index.ts';

/** Two requests on 4 blocks of 4 tokens: the second is preempted, resumes, and the third never gets to run. */
function tinyTrace() {
	return {
		format: 1,
		name: 'tiny',
		config: {
			blockSize: 4,
			numGpuBlocks: 5,
			maxNumSeqs: 4,
			maxNumBatchedTokens: 8,
			maxModelLen: 12,
			longPrefillTokenThreshold: 0,
			policy: 'fcfs',
			asyncScheduling: false,
			watermark: 0,
			reserveFullIsl: true,
			prefixCaching: false,
		},
		requests: [
			tinyRequest({ prompt: [['p', 0, 6]], output: 6, maxTokens: 6 }),
			tinyRequest({ prompt: [['q', 0, 7]], output: 3, maxTokens: 3, preemptions: 1 }),
			tinyRequest({ arrive: 3, prompt: [['r', 0, 2]], output: 3, maxTokens: 3, abort: 4 }),
		],
		steps: [
			row({
				t: 0,
				s: [
					[0, 6],
					[1, 2],
				],
				adm: [
					[0, 0],
					[1, 0],
				],
				used: 3,
			}),
			row({
				t: 1,
				s: [
					[0, 1],
					[1, 5],
				],
				used: 4,
			}),
			row({
				t: 2,
				s: [
					[0, 1],
					[1, 1],
				],
				used: 4,
			}),
			row({ t: 3, s: [[0, 1]], pre: [1], run: 1, wait: 2, used: 3 }),
			row({ t: 4, n: 2, s: [[0, 1]], fin: [0], abo: [2], run: 1, wait: 1, used: 3 }),
			row({ t: 6, s: [[1, 8]], adm: [[1, 0]], run: 1, used: 2 }),
			row({ t: 7, s: [[1, 1]], fin: [1], run: 1, used: 3 }),
		],
	};
}

function tinyRequest(more: object) {
	return { arrive: 0, end: 'length', priority: 0, abort: null, preemptions: 0, ...more };
}

function row(more: { t: number; used: number; [field: string]: unknown }) {
	return { n: 1, s: [], adm: [], pre: [], fin: [], abo: [], run: 2, wait: 0, used2: more.used, ...more };
}

const replay = (trace: object) => replayTrace(parseTrace(JSON.stringify(trace), 'tiny.jsonl:1'));

describe('replaying a recording', () => {
	it('agrees with a trace worked out by hand', () => {
		expect(replay(tinyTrace())).toEqual({ steps: 8, leaptSteps: 0, mismatch: null });
	});

	it.each([
		['t', 3, { t: 4 }],
		[
			's',
			1,
			{
				s: [
					[0, 1],
					[1, 4],
				],
			},
		],
		['adm', 5, { adm: [[1, 4]] }],
		['pre', 3, { pre: [] }],
		['fin', 4, { fin: [] }],
		['abo', 4, { abo: [] }],
		['late', 4, { late: [2] }],
		['run', 2, { run: 3 }],
		['wait', 3, { wait: 1 }],
		['used', 4, { used: 2 }],
		['used', 4, { used2: 2 }],
	] as const)('notices a difference in `%s`', (field, index, change) => {
		const trace = tinyTrace();
		Object.assign(trace.steps[index] as object, change);
		const first = trace.steps.slice(0, index).reduce((sum, { n }) => sum + n, 0);
		const { steps, mismatch } = replay(trace);
		expect(mismatch?.field).toBe(field);
		expect(mismatch?.expected).not.toBe(mismatch?.got);
		// `fin`, `late` and `used2` stand on the last of the row's steps.
		const isOnLast = 'fin' in change || 'late' in change || 'used2' in change;
		expect(steps).toBe(isOnLast ? first + 1 : first);
	});

	it('notices steps missing on either side, and other counts of preemptions', () => {
		const short = tinyTrace();
		short.steps.pop();
		expect(replay(short).mismatch).toMatchObject({ step: 7, field: 'row', expected: 'nothing' });
		const long = tinyTrace();
		long.steps.push(row({ t: 8, s: [[1, 1]], run: 1, used: 3 }));
		expect(replay(long).mismatch).toMatchObject({ step: 8, field: 'row', got: 'nothing' });
		const other = tinyTrace();
		Object.assign(other.requests[1] as object, { preemptions: 2 });
		expect(replay(other).mismatch).toMatchObject({
			field: 'preemptions',
			expected: '[0,2,0]',
			got: '[0,1,0]',
		});
	});

	it('ends when the model has nothing left that it could schedule', () => {
		const trace = tinyTrace();
		trace.config.numGpuBlocks = 2;
		for (const each of trace.requests) Object.assign(each, { abort: 100 });
		expect(replay(trace).mismatch).toMatchObject({ step: 0, field: 'row', got: 'nothing' });
	});
});

describe('reading a recording', () => {
	const broken = (change: (trace: ReturnType<typeof tinyTrace>) => unknown) => () => {
		const trace = tinyTrace();
		change(trace);
		return replay(trace);
	};

	it.each([
		['config.blockSize: expected a whole number of at least 1, got 0', { config: { blockSize: 0 } }],
		['config.policy: expected "fcfs" or "priority", got "lifo"', { config: { policy: 'lifo' } }],
		['config.watermark: expected a number from 0 to 1, got nothing', { config: { watermark: undefined } }],
		[
			'config.maxNumBatchedTokens: expected at least maxNumSeqs (4), got 3',
			{ config: { maxNumBatchedTokens: 3 } },
		],
		[
			'requests[1].output: expected an end within the 8 tokens of numGpuBlocks, got 3',
			{ request: { output: 3 }, first: { output: 1 }, config: { numGpuBlocks: 3 } },
		],
		['requests[1].arrive: expected a whole number of at least 0, got -1', { request: { arrive: -1 } }],
		['requests[1].priority: expected a whole number, got "high"', { request: { priority: 'high' } }],
		['requests[1].prompt[0][0]: expected a text, got 7', { request: { prompt: [[7, 0, 6]] } }],
		[
			'requests[1].prompt: expected lengths that add up to 1 to 11 tokens, got [["q",0,12]]',
			{ request: { prompt: [['q', 0, 12]] } },
		],
		['requests[1].output: expected a whole number of at least 1, got 1.5', { request: { output: 1.5 } }],
		[
			'requests[1].prompt[0][2]: expected a whole number of at least 0, got -6',
			{ request: { prompt: [['q', 0, -6]] } },
		],
		['steps[2].s: expected a list, got {}', { row: { s: {} } }],
		['steps[2].s[0][0]: expected the id of one of 3 requests, got 3', { row: { s: [[3, 1]] } }],
		['steps[2].s[0][1]: expected a whole number of at least 0, got nothing', { row: { s: [[0]] } }],
		['steps[2].fin[0]: expected the id of one of 3 requests, got null', { row: { fin: [null] } }],
		['steps[2].used2: expected 4, got 3', { row: { used2: 3 } }],
	])('%s', (message, { config, first, request, row: rowChange }: Changes) => {
		const run = broken((trace) => {
			Object.assign(trace.config, config);
			Object.assign(trace.requests[0] as object, first);
			Object.assign(trace.requests[1] as object, request);
			Object.assign(trace.steps[2] as object, rowChange);
		});
		expect(run).toThrow(new UsageError('E_TRACE', `tiny.jsonl:1: ${message}`));
	});

	it('says where a line is cut off or is something else', () => {
		expect(() => parseTrace('{"format":1,"na', 'a.jsonl:3')).toThrow(
			/^a\.jsonl:3: expected one JSON object a line, got broken/,
		);
		expect(() => parseTrace('[]', 'a.jsonl:3')).toThrow('a.jsonl:3: format: expected 1, got nothing');
		expect(() => parseTrace('null', 'a.jsonl:3')).toThrow(UsageError);
		expect(broken((trace) => Object.assign(trace, { format: 2 }))).toThrow('format: expected 1, got 2');
		expect(broken((trace) => Object.assign(trace, { steps: undefined }))).toThrow(
			'steps: expected a list, got nothing',
		);
	});
});

interface Changes {
	readonly config?: object;
	readonly first?: object;
	readonly request?: object;
	readonly row?: object;
}
