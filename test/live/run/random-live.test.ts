import fc from 'fast-check';
import { expect, it } from 'vitest';
import { randomPolicy } from '../../support/random-policy.ts';
import { randomSetup, setupShapes } from '../../support/random-setup.ts';
import { lawBreaches } from '../../support/run-laws.ts';
import { drive } from './drive.ts';

it('live runs of random workloads under a random policy keep the laws of every run', {
	timeout: 120_000,
}, async () => {
	await fc.assert(
		fc.asyncProperty(setupShapes, async (shape) => {
			const setup = randomSetup(shape);
			const scheduler = randomPolicy(shape.seed);
			const { outcome, records } = await drive({ setup, scheduler, gate: shape.gate });
			expect(outcome.status).toBe('complete');
			expect(lawBreaches(records, setup)).toEqual([]);
		}),
		{ seed: 20251, numRuns: 150 },
	);
});
