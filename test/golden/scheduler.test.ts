/**
 * Recordings of vLLM 0.32.0's own scheduler against our model of it: every field of every step.
 *
 * `recorded/scheduler.jsonl.gz` holds 12 of the 308 recordings, chosen so that each scheduling and cache rule that the small
 * ones can tell apart, left out one at a time, breaks at least one of them. `recorded/vllm-0.32.0.jsonl.gz` holds 36 of our own
 * (`npm run record:golden`). In the 13 of `recorded/priority-victims.jsonl.gz`, found among 20,000 random ones, a request that had nothing left to
 * schedule is preempted by one behind it: with the place in the queue left as it was, the next one would miss a step.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { EngineMode } from '../../sim/domain/engine.ts';
import { parseTrace, replayTrace } from '../../sim/engine/index.ts';
import { itShared } from '../support/shared.ts';

function replayFile(file: string, mode: EngineMode) {
	const lines = gunzipSync(readFileSync(file)).toString('utf8').trimEnd().split('\n');
	let steps = 0;
	let leaptSteps = 0;
	const mismatches: string[] = [];
	for (const [index, line] of lines.entries()) {
		const trace = parseTrace(line, `${path.basename(file)}:${index + 1}`);
		const result = replayTrace(trace, mode);
		steps += result.steps;
		leaptSteps += result.leaptSteps;
		if (result.mismatch !== null) mismatches.push(`${trace.name}: ${JSON.stringify(result.mismatch)}`);
	}
	return { traces: lines.length, steps, mismatches, leaptShare: leaptSteps / steps };
}

describe.each(['stepwise', 'leaping'] as const)('the scheduler, %s, does what vLLM did', (mode) => {
	it('in 12 recordings that the project carries', () => {
		const replayed = replayFile(path.join(__dirname, 'recorded/scheduler.jsonl.gz'), mode);
		const { leaptShare, ...result } = replayed;
		expect(result).toEqual({ traces: 12, steps: 4980, mismatches: [] });
		expectLeaps(leaptShare, mode, 0.6);
	});

	it('in 36 that were recorded for it', () => {
		const { leaptShare, ...result } = replayFile(path.join(__dirname, 'recorded/vllm-0.32.0.jsonl.gz'), mode);
		expect(result).toEqual({ traces: 36, steps: 17_456, mismatches: [] });
		expectLeaps(leaptShare, mode, 0.6);
	});

	it('in 13 whose victim had been passed over', () => {
		const file = path.join(__dirname, 'recorded/priority-victims.jsonl.gz');
		const { traces, mismatches } = replayFile(file, mode);
		expect({ traces, mismatches }).toEqual({ traces: 13, mismatches: [] });
	});

	for (const [size, traces, steps] of [
		['small', 240, 154_165],
		['medium', 60, 866_357],
		['large', 8, 134_849],
	] as const)
		itShared(`golden/scheduler-${size}.jsonl.gz`, `in all ${traces} ${size} recordings`, (file) => {
			const { leaptShare, ...result } = replayFile(file, mode);
			expect(result).toEqual({ traces, steps, mismatches: [] });
			expectLeaps(leaptShare, mode, 0.75);
		});
});

/** The other steps are those in which something happens. */
function expectLeaps(leaptShare: number, mode: EngineMode, least: number): void {
	if (mode === 'leaping') expect(leaptShare).toBeGreaterThan(least);
	else expect(leaptShare).toBe(0);
}
