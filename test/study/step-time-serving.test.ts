import { expect, it } from 'vitest';
import { checkServing } from '../../sim/cli/serving-check.ts';
import { createStepwiseEngine } from '../../sim/engine/index.ts';
import { simulateServing } from '../../sim/study/calibrate-serving.ts';
import { readServingTable } from '../../traces/import/serving-csv.ts';
import { bundledReplica } from '../../traces/resolve/bundled-replica.ts';
import { readShared } from '../support/read-shared.ts';
import { itShared } from '../support/shared.ts';

const profile = bundledReplica('H100-SXM-80GB', 'Llama', 'vllm-v1');
if (profile === undefined) throw new Error('no bundled profile');
const { engine, step } = profile;

it('serves one request at a time at the cost of its own steps', () => {
	const { ttftMs, tpotMs } = simulateServing(
		{ promptTokens: 1000, outputTokens: 101, concurrency: 1 },
		createStepwiseEngine(engine, step),
	);
	// Contexts 1001 to 1100; one sequence stays below the knee, and the host is hidden.
	const decodeUs = step.baseUs + step.perDecodeSequenceUs + step.perContextTokenUs * 1050.5;
	expect(tpotMs).toBeCloseTo(decodeUs / 1000, 2);
	const prefillUs =
		step.baseUs + step.perTokenOverKneeUs * (1000 - step.kneeTokens) + step.perPrefillTokenSquaredUs * 1e6;
	expect(ttftMs).toBeCloseTo(prefillUs / 1000, 2);
});

it('slows decoding down where prefills of others share the steps', () => {
	const tpotMs = (outputTokens: number) =>
		simulateServing(
			{ promptTokens: 2000, outputTokens, concurrency: 16 },
			createStepwiseEngine({ ...engine, maxNumBatchedTokens: 2048 }, step),
		).tpotMs;
	expect(tpotMs(64)).toBeGreaterThan(1.3 * tpotMs(512));
});

itShared(
	'data/gpu_check_h100_llama8b.csv',
	'predicts time per output token on an H100 within 10 %',
	(file) => {
		const { rows, tpotMeanAbsoluteErrorPercent, atProfileBudget } = checkServing(
			readServingTable(readShared(file), file),
		);
		expect(rows).toHaveLength(42);
		// 3.9 when this was written, 11.7 in the worst row; nothing was fitted on these rows.
		expect(tpotMeanAbsoluteErrorPercent).toBeLessThan(4.5);
		for (const { tpotErrorPercent } of rows) expect(Math.abs(tpotErrorPercent)).toBeLessThan(12);
		expect(atProfileBudget.maxNumBatchedTokens).toBe(engine.maxNumBatchedTokens);
		// 4.8; it was 17.9 while the tokens of a whole step were squared together.
		expect(atProfileBudget.tpotMeanAbsoluteErrorPercent).toBeLessThan(5.5);
	},
);
