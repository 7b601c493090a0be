/** A run must not depend on how its engines are carried out: the run logs of both executions are the same bytes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import type { EngineMode } from '../../sim/domain/engine.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler } from '../../solver/index.ts';
import { loadExperiment } from '../../traces/index.ts';
import { randomPolicy } from '../support/random-policy.ts';
import { randomSetup, setupShapes } from '../support/random-setup.ts';

async function runLog(setup: Setup, engineMode: EngineMode, scheduler: () => Parameters<typeof simulate>[1]) {
	const lines: string[] = [];
	await simulate({ ...setup, engineMode }, scheduler(), createGate('majority'), {
		version: 'test',
		onRecord: (record) => lines.push(JSON.stringify({ ...record, engineMode: null })),
	});
	return lines.join('\n');
}

it.each([
	['tiny', []],
	['tiny', ['engine.profile=vllm-v1']],
	['mmlu-pro', ['workload.keepQueries=60']],
	['mmlu-pro', ['workload.keepQueries=60', 'engine.profile=vllm-v1']],
])('is the same for %s %j', async (name, sets) => {
	const setup = loadExperiment(name, { sets });
	const scheduler = () => createScheduler('greedy', { clockSeconds: () => 0 });
	const stepwise = await runLog(setup, 'stepwise', scheduler);
	expect(stepwise).toContain('"run-ended"');
	expect(await runLog(setup, 'leaping', scheduler)).toBe(stepwise);
});

it('is the same for random setups under a random policy, where engines often step at the same microsecond', async () => {
	await fc.assert(
		fc.asyncProperty(setupShapes, async (shape) => {
			const setup = randomSetup(shape);
			const scheduler = () => randomPolicy(shape.seed);
			expect(await runLog(setup, 'leaping', scheduler)).toBe(await runLog(setup, 'stepwise', scheduler));
		}),
		{ seed: 4, numRuns: 300 },
	);
});
