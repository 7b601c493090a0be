import { describe, expect, it } from 'vitest';
import { StepClock, type StepLoad } from '../../sim/engine/step-time.ts';
import { COST } from './drive.ts';

const decodes = (decodeSequences: number, decodeContextTokens: number): StepLoad => ({
	count: decodeSequences,
	tokens: decodeSequences,
	prefillChunkSquares: 0,
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

describe('CUDA graphs', () => {
	const timeUs = (load: StepLoad, graphLimitSequences: number): number => {
		const clock = new StepClock({ ...COST, graphLimitSequences }, false);
		clock.reset(0);
		return clock.run(load);
	};
	const ownSizeUs = (load: StepLoad): number => timeUs(load, 0);

	// As vLLM lists them: 1, 2, 4, then every 8 below 256, then every 16 from there.
	const captured = (limit: number): number[] =>
		[1, 2, 4]
			.concat(Array.from({ length: 31 }, (_, index) => 8 * (index + 1)))
			.concat(Array.from({ length: 17 }, (_, index) => 256 + 16 * index))
			.filter((size) => size <= limit);

	it.each([512, 300, 256, 60, 10, 3, 1])(
		'pad a decoding batch to the next captured size up to %d',
		(limit) => {
			const sizes = captured(limit);
			for (let sequences = 1; sequences <= 530; sequences++) {
				const size = sizes.find((each) => each >= sequences) ?? sequences;
				const hostUs = (size - sequences) * COST.hostPerSequenceUs;
				// Contexts and the host's part stay those of the batch itself.
				const expectedUs = ownSizeUs({ ...decodes(size, 7 * sequences) }) - hostUs;
				expect(timeUs(decodes(sequences, 7 * sequences), limit), `${sequences}`).toBeCloseTo(expectedUs, 6);
			}
		},
	);

	it('leave a step with a chunk of a prompt as it is', () => {
		const mixed = { ...decodes(5, 50), count: 6, tokens: 8, prefillChunkSquares: 9 };
		expect(timeUs(mixed, 512)).toBe(ownSizeUs(mixed));
	});
});
