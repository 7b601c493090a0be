import { describe, expect, it } from 'vitest';
import { StepClock, type StepLoad } from '../../sim/engine/step-time.ts';
import { COST } from './drive.ts';

const decodes = (decodeSequences: number, decodeContextTokens: number): StepLoad => ({
	count: decodeSequences,
	tokens: decodeSequences,
	prefillTokens: 0,
	decodeSequences,
	decodeContextTokens,
});

describe('step clock', () => {
	// Tenths are not exact in binary: adding them one by one gives another number than multiplying.
	const cost = {
		...COST,
		hostUs: 0,
		hostPerSequenceUs: 0,
		baseUs: 0.1,
		perDecodeSequenceUs: 0,
		allReduceUs: 0,
	};

	it('works times out from the last change of the batch, so that a leap of the same steps ends at the same number', () => {
		const clock = new StepClock({ ...cost, perContextTokenUs: 0.7 }, false);
		clock.reset(3);
		let contexts = 0;
		for (let step = 1; step <= 1000; step++) {
			contexts += 2 * step;
			expect(clock.run(decodes(2, 2 * step))).toBe(3 + step * 0.1 + contexts * 0.7);
		}
	});

	it('starts anew from the end of the last step when the batch changes, and from the given time after idling', () => {
		const clock = new StepClock({ ...cost, perContextTokenUs: 0, perDecodeSequenceUs: 1 }, false);
		clock.reset(0);
		for (let step = 0; step < 3; step++) clock.run(decodes(1, 5));
		const changedUs = clock.nowUs;
		expect(changedUs).toBe(3 * 1.1);
		for (let step = 0; step < 3; step++) clock.run(decodes(2, 5));
		expect(clock.nowUs).toBe(changedUs + 3 * 2.1);
		clock.reset(1000);
		expect(clock.run(decodes(2, 5))).toBe(1002.1);
	});
});
