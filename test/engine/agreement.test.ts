import { describe, expect, it } from 'vitest';
import { createLeapingEngine, createStepwiseEngine } from '../../sim/engine/index.ts';
import { randomWorkload, witness } from './agreement.ts';

const SEED = 4;

describe('leaping and stepwise', () => {
	it('report the same events at the same microseconds and show the same gauges, in 1,000 random workloads', () => {
		for (let index = 0; index < 1000; index++) {
			const workload = randomWorkload(SEED, index);
			const leaping = witness(createLeapingEngine, workload);
			expect(leaping, `workload ${index}`).toEqual(witness(createStepwiseEngine, workload));
		}
	});
});
