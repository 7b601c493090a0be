import { describe, expect, it } from 'vitest';
import { createLeapingEngine, createStepwiseEngine } from '../../sim/engine/index.ts';
import { randomWorkload, unasked, witness } from './agreement.ts';

const SEED = 4;

describe('leaping and stepwise', () => {
	it('report the same events at the same microseconds and show the same gauges and outputs, in 1,000 random workloads', () => {
		for (let index = 0; index < 1000; index++) {
			const workload = randomWorkload(SEED, index);
			const leaping = witness(createLeapingEngine, workload);
			expect(leaping, `workload ${index}`).toEqual(witness(createStepwiseEngine, workload));
		}
	});

	it.each([
		['leaping', createLeapingEngine],
		['stepwise', createStepwiseEngine],
	])('%s: asking how far a request is changes nothing of it', (_, createEngine) => {
		let openAsks = 0;
		for (let index = 0; index < 300; index++) {
			const workload = randomWorkload(SEED, index);
			const { asks, ...asked } = witness(createEngine, workload);
			const { asks: none, ...undisturbed } = witness(createEngine, unasked(workload));
			expect(asked, `workload ${index}`).toEqual(undisturbed);
			expect(none).toEqual([]);
			openAsks += asks.filter((tokens) => tokens !== undefined && tokens > 0).length;
		}
		expect(openAsks).toBeGreaterThan(300);
	});
});
