import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineClock, type EngineRate, FULL_RATE } from '../../sim/run/engine-clock.ts';

const rate = (numerator: number, denominator: number): EngineRate => ({
	numerator: BigInt(numerator),
	denominator: BigInt(denominator),
});

/** Rates of one to sixteen equal shares and measured ones, each followed by how long it holds. */
const histories = fc.array(
	fc.record({
		rate: fc.oneof(
			fc.integer({ min: 1, max: 16 }).map((engines) => rate(1, engines)),
			fc.integer({ min: 50_000, max: 1_000_000 }).map((millionths) => rate(millionths, 1_000_000)),
		),
		lastsUs: fc.integer({ min: 0, max: 50 }),
	}),
	{ minLength: 1, maxLength: 12 },
);

describe('EngineClock', () => {
	it('is the clock of the world until its rate changes', () => {
		const clock = new EngineClock();
		expect([clock.engineUs(5), clock.worldUs(7)]).toEqual([5, 7]);
		clock.restart(1000);
		expect([clock.engineUs(1234), clock.worldUs(2345)]).toEqual([1234, 2345]);
	});

	it('takes twice as long at half the rate, and goes on where it was at full rate', () => {
		const clock = new EngineClock();
		clock.restart(100);
		clock.setRate(rate(1, 2), 200);
		expect(clock.worldUs(250)).toBe(300);
		expect([300, 301, 302].map((us) => clock.engineUs(us))).toEqual([250, 251, 251]);
		clock.setRate(FULL_RATE, 301);
		// It stands at 250.5: what happens at 251 is seen half a microsecond late.
		expect(clock.worldUs(251)).toBe(302);
		expect([clock.worldUs(150), clock.worldUs(250), clock.worldUs(1250)]).toEqual([150, 300, 1301]);
	});

	it('loses nothing to thirds', () => {
		const clock = new EngineClock();
		clock.restart(0);
		for (let second = 0; second < 300; second++) {
			clock.setRate(rate(1, 3), second * 1_000_000);
			clock.setRate(FULL_RATE, second * 1_000_000 + 500_000);
		}
		// 300 times half a second at a third and half a second alone: 200 s of the engine.
		expect(clock.worldUs(200_000_000)).toBe(300_000_000);
		expect(clock.engineUs(300_000_000)).toBe(200_000_000);
	});

	it('keeps its order over days', () => {
		const clock = new EngineClock();
		clock.restart(0);
		clock.setRate(rate(1, 7), 0);
		const day = 86_400_000_000;
		expect(clock.worldUs(day)).toBe(7 * day);
		expect(clock.engineUs(7 * day)).toBe(day);
		expect(clock.engineUs(7 * day + 1)).toBe(day + 1);
	});

	it('sees each engine microsecond once, never early, and agrees with itself in both directions', () => {
		fc.assert(
			fc.property(histories, (history) => {
				const clock = new EngineClock();
				clock.restart(0);
				let nowUs = 0;
				/** Engine microseconds as floating-point numbers have it. */
				let roughUs = 0;
				let seenUs = -1;
				const wrong: unknown[] = [];
				for (const { rate: next, lastsUs } of history) {
					clock.setRate(next, nowUs);
					for (let us = nowUs; us <= nowUs + lastsUs; us++) {
						const engineUs = clock.engineUs(us);
						const exactUs = roughUs + ((us - nowUs) * Number(next.numerator)) / Number(next.denominator);
						const isNear = engineUs < exactUs + 1 + 1e-3 && engineUs > exactUs - 1 - 1e-3;
						const isFirst = engineUs === 0 || clock.worldUs(engineUs - 1) < us;
						const isItsOwn = isFirst && clock.worldUs(engineUs) >= us;
						if (!isNear || !isItsOwn) wrong.push({ us, engineUs, exactUs });
					}
					nowUs += lastsUs;
					roughUs += (lastsUs * Number(next.numerator)) / Number(next.denominator);
				}
				// Looked at from the end, every moment of the past is where it was, and later ones are later.
				for (let engineUs = 0; engineUs < clock.engineUs(nowUs); engineUs++) {
					const worldUs = clock.worldUs(engineUs);
					if (worldUs <= seenUs || worldUs > nowUs) wrong.push({ engineUs, worldUs, seenUs, nowUs });
					seenUs = worldUs;
				}
				expect(wrong).toEqual([]);
			}),
			{ seed: 61, numRuns: 500 },
		);
	});
});
