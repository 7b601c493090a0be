import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type StepLoad, stepLoads } from '../../sim/study/calibrate-steps.ts';
import { readEngineRuns } from '../../traces/import/engine-run.ts';
import { recordServer } from '../support/recorded-server.ts';

const COST = {
	hostUs: 500,
	hostPerSequenceUs: 20,
	baseUs: 10_000,
	perTokenOverKneeUs: 500,
	kneeTokens: 0,
	perDecodeSequenceUs: 100,
	perContextTokenUs: 1,
	perPrefillTokenSquaredUs: 0.1,
	allReduceUs: 0,
};

const call = fc.record({
	sentS: fc.integer({ min: 0, max: 1000 }).map((ms) => ms / 1000),
	prompt: fc
		.tuple(fc.constantFrom('p', 'q'), fc.integer({ min: 0, max: 80 }), fc.integer({ min: 1, max: 180 }))
		.map(([stream, shared, own]): [string, number, number][] => [
			[stream, 0, shared],
			[`own ${stream}`, own, own],
		]),
	outputTokens: fc.integer({ min: 1, max: 60 }),
});

it('finds out what every step held, as the scheduler that made them knew', () => {
	let preemptions = 0;
	fc.assert(
		fc.property(
			fc.array(call, { minLength: 1, maxLength: 30 }),
			fc.constantFrom(33, 40, 60, 400),
			fc.boolean(),
			(calls, numGpuBlocks, prefixCaching) => {
				const { line, loads } = recordServer(
					{ name: 'x', cost: COST, config: { numGpuBlocks, prefixCaching } },
					calls,
				);
				const [run] = readEngineRuns(JSON.stringify(line), 'x');
				expect(run).toBeDefined();
				if (run === undefined) return;
				preemptions += run.preemptions;
				// Times pass through milliseconds; how two resumed in one step share their cache hits is not in a log.
				const told = ({
					prefillAttentionPairs: _,
					prefillChunkSquares: __,
					modelUs: ___,
					...rest
				}: StepLoad) => rest;
				expect(stepLoads(run).map(told)).toEqual(loads.map(told));
			},
		),
		{ seed: 20_260, numRuns: 400 },
	);
	expect(preemptions).toBeGreaterThan(100);
});

it('adds up what attention computes', () => {
	const prompts = [70, 20, 90];
	const { line, loads } = recordServer(
		{ name: 'x', cost: COST, config: { prefixCaching: false } },
		prompts.map((length, i) => ({ sentS: 0, prompt: [[`p${i}`, 0, length]], outputTokens: 3 })),
	);
	const [run] = readEngineRuns(JSON.stringify(line), 'x');
	if (run === undefined) throw new Error('no run');
	const read = stepLoads(run);
	expect(read.map(({ prefillAttentionPairs }) => prefillAttentionPairs)).toEqual(
		loads.map(({ prefillAttentionPairs }) => prefillAttentionPairs),
	);
	// A budget of 128: the third prompt is cut after 38, and 52 are left beside the two that decode.
	expect(read.slice(0, 2).map(({ prefillChunkSquares }) => prefillChunkSquares)).toEqual([
		70 ** 2 + 20 ** 2 + 38 ** 2,
		52 ** 2,
	]);
	const pairs = prompts.reduce((sum, length) => sum + (length * (length + 1)) / 2, 0);
	expect(read.reduce((sum, each) => sum + each.prefillAttentionPairs, 0)).toBe(pairs);
});
