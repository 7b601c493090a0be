import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readIterations } from '../../../live/measure/iteration-log.ts';
import { logLength, logSince } from '../../../live/measure/log-part.ts';
import { largestShare } from '../../../live/measure/server-memory.ts';

let folder = '';
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

// As vLLM 0.32.0 writes them.
const PREFILL =
	'(EngineCore pid=1) INFO 11-22 13:15:49 [core.py:800] Iteration(510): 2 context requests, 400 context tokens, 1 generation requests, 1 generation tokens, iteration elapsed time: 31.64 ms, CPU KV cache usage: 0.8%';
const DECODE =
	'(EngineCore pid=1) INFO 11-22 13:15:49 [core.py:800] Iteration(511): 0 context requests, 0 context tokens, 3 generation requests, 3 generation tokens, iteration elapsed time: 13.05 ms, CPU KV cache usage: 0.9%';

it('reads the steps among the other lines of a log', () => {
	expect(readIterations(`INFO: something else\n${PREFILL}\n\n${DECODE}\nIteration(9): cut of`)).toEqual([
		{ prefillSequences: 2, prefillTokens: 400, decodeSequences: 1, decodeTokens: 1, modelUs: 31_640 },
		{ prefillSequences: 0, prefillTokens: 0, decodeSequences: 3, decodeTokens: 3, modelUs: 13_050 },
	]);
});

it('reads what was written to a log since a moment', () => {
	const file = path.join(folder, 'a.log');
	expect(logLength(file)).toBe(0);
	writeFileSync(file, `${PREFILL}\n`);
	const before = logLength(file);
	expect(logSince(file, before)).toBe('');
	appendFileSync(file, `${DECODE}\n`);
	expect(readIterations(logSince(file, before))).toHaveLength(1);
});

it('finds the GPU on which processes hold most', () => {
	const output = 'GPU-a, 11, 1000\nGPU-a, 12, 200\nGPU-b, 11, 900\nGPU-b, 99, 5000\n';
	expect(largestShare(output, [11, 12])).toBe(1200 * 2 ** 20);
	expect(largestShare('', [11])).toBe(0);
});
