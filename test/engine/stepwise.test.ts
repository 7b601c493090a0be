import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../sim/domain/engine.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { createLeapingEngine, createStepwiseEngine } from '../../sim/engine/index.ts';
import { CONFIG, COST, drive, request } from './drive.ts';

/** The cost formula of sim/domain/model.ts, written out once more, for at most one prompt in the step. */
function gpuUs(prefill: number, decodes: number, contextTokens: number): number {
	const tokens = prefill + decodes;
	return (
		COST.baseUs +
		COST.perTokenOverKneeUs * Math.max(0, tokens - COST.kneeTokens) +
		COST.perDecodeSequenceUs * decodes +
		COST.perContextTokenUs * contextTokens +
		COST.perPrefillTokenSquaredUs * prefill ** 2 +
		COST.allReduceUs
	);
}

const hostUs = (sequences: number): number => COST.hostUs + COST.hostPerSequenceUs * sequences;

function finished(events: readonly EngineEvent[], id: string) {
	const event = events.find((each) => each.id === id);
	if (event?.kind !== 'finished') throw new Error(`${id} did not finish`);
	return event;
}

const engineOf = (config: Partial<EngineConfig> = {}, cost: Partial<StepCost> = {}) =>
	createStepwiseEngine({ ...CONFIG, ...config }, { ...COST, ...cost });

/** 1000 us a step, whatever it holds. */
const FLAT: StepCost = {
	hostUs: 0,
	hostPerSequenceUs: 0,
	baseUs: 1000,
	perTokenOverKneeUs: 0,
	kneeTokens: 0,
	perDecodeSequenceUs: 0,
	perContextTokenUs: 0,
	perPrefillTokenSquaredUs: 0,
	allReduceUs: 0,
};

describe('time of one request', () => {
	it('is the sum of its prefill chunks and decode steps (synchronous: host and GPU add up)', () => {
		const engine = engineOf();
		const { events } = drive(engine, [{ atUs: 500, submit: request('a', 37, 100) }]);
		let timeUs = 500;
		for (const chunk of [16, 16, 5]) timeUs += hostUs(1) + gpuUs(chunk, 0, 0);
		const firstTokenUs = timeUs;
		for (let context = 38; context < 37 + 100; context++) timeUs += hostUs(1) + gpuUs(0, 1, context);
		expect(events).toEqual([
			{
				kind: 'finished',
				timeUs: Math.round(timeUs),
				id: 'a',
				outputTokens: 100,
				finishReason: 'length',
				startedUs: 500,
				firstTokenUs: Math.round(firstTokenUs),
				cachedPromptTokens: 0,
				recomputedTokens: 0,
				preemptions: 0,
			},
		]);
		expect(engine.gauges()).toEqual({
			running: 0,
			waiting: 0,
			usedBlocks: 0,
			totalBlocks: 100,
			steps: 3 + 99,
			preemptions: 0,
			busyUs: Math.round(timeUs - 500),
		});
	});

	it('squares the tokens of each prompt in a step by themselves', () => {
		const { events } = drive(engineOf(), [
			{ atUs: 0, submit: request('a', 7, 1) },
			{ atUs: 0, submit: request('b', 9, 1) },
		]);
		const bothUs = hostUs(2) + gpuUs(16, 0, 0) + COST.perPrefillTokenSquaredUs * (7 ** 2 + 9 ** 2 - 16 ** 2);
		expect(events.map(({ timeUs }) => timeUs)).toEqual([Math.round(bothUs), Math.round(bothUs)]);
	});

	it('takes the longer of host and GPU when the host works ahead (asynchronous)', () => {
		const cost = { ...COST, hostUs: 9210 };
		const engine = engineOf({ asyncScheduling: true }, cost);
		const { events } = drive(engine, [{ atUs: 0, submit: request('a', 30, 150) }]);
		const host = cost.hostUs + cost.hostPerSequenceUs;
		let timeUs = gpuUs(16, 0, 0) + gpuUs(14, 0, 0);
		let hostBound = 0;
		for (let context = 31; context < 30 + 150; context++) {
			timeUs += Math.max(host, gpuUs(0, 1, context));
			if (host > gpuUs(0, 1, context)) hostBound++;
		}
		expect(hostBound).toBeGreaterThan(20);
		expect(hostBound).toBeLessThan(149);
		expect(events.map((event) => event.timeUs)).toEqual([Math.round(timeUs)]);
	});

	it('spends one vain step on a stop token when the next step is already on its way', () => {
		const steps = [false, true].map((asyncScheduling) => {
			const engine = createStepwiseEngine({ ...CONFIG, asyncScheduling }, FLAT);
			const stopping = request('a', 5, 10, { endsByStop: true, maxOutputTokens: 50 });
			const { events } = drive(engine, [{ atUs: 0, submit: stopping }]);
			expect(finished(events, 'a')).toMatchObject({ timeUs: 10_000, finishReason: 'stop', outputTokens: 10 });
			return [engine.gauges().steps, engine.gauges().busyUs];
		});
		expect(steps).toEqual([
			[10, 10_000],
			[11, 11_000],
		]);
	});

	it('does not drift: after 20,000 steps it is still the formula, to the microsecond', () => {
		const engine = engineOf({ numGpuBlocks: 8001, maxModelLen: 30_000 });
		const { events } = drive(engine, [{ atUs: 7, submit: request('a', 10, 20_001) }]);
		const contexts = (20_000 * (11 + 20_010)) / 2;
		const expected =
			7 +
			hostUs(1) +
			gpuUs(10, 0, 0) +
			20_000 * (hostUs(1) + gpuUs(0, 1, 0)) +
			COST.perContextTokenUs * contexts;
		expect(events.map((event) => event.timeUs)).toEqual([Math.round(expected)]);
	});
});

describe('limits', () => {
	it.each([
		['its stop token', { endsByStop: true, maxOutputTokens: 9 }, 7, 'stop'],
		['a stop token that falls on the limit', { endsByStop: true, maxOutputTokens: 7 }, 7, 'stop'],
		['the limit before its stop token', { endsByStop: true, maxOutputTokens: 6 }, 6, 'length'],
		['the limit', { endsByStop: false, maxOutputTokens: 7 }, 7, 'length'],
	] as const)('ends at %s', (_, more, outputTokens, finishReason) => {
		for (const asyncScheduling of [false, true]) {
			const { events } = drive(engineOf({ asyncScheduling }), [
				{ atUs: 0, submit: request('a', 9, 7, more) },
			]);
			expect(finished(events, 'a')).toMatchObject({ outputTokens, finishReason });
		}
	});

	it.each([false, true])('cuts the output where the context ends (asynchronous: %s)', (asyncScheduling) => {
		const engine = engineOf({ asyncScheduling, maxModelLen: 50, numGpuBlocks: 14 });
		const stopping = request('a', 40, 500, { endsByStop: true, maxOutputTokens: 1000 });
		const { events } = drive(engine, [{ atUs: 0, submit: stopping }]);
		expect(finished(events, 'a')).toMatchObject({ outputTokens: 10, finishReason: 'length' });
	});

	it('rejects a prompt that leaves no room for an answer, at the time of submission', () => {
		const engine = engineOf();
		const { events } = drive(engine, [
			{ atUs: 3, submit: request('long', 200, 5) },
			{ atUs: 3, submit: request('empty', 0, 5) },
			{ atUs: 3, submit: request('fits', 199, 5) },
		]);
		expect(events.slice(0, 2)).toEqual([
			{
				kind: 'rejected',
				timeUs: 3,
				id: 'long',
				reason: 'the prompt has 200 tokens; with at least one output token the context of 200 is too short',
			},
			{ kind: 'rejected', timeUs: 3, id: 'empty', reason: 'the prompt is empty' },
		]);
		expect(finished(events, 'fits').outputTokens).toBe(1);
		expect(engine.abort('long', engine.gauges().busyUs + 3)).toBeUndefined();
	});
});

describe('protocol', () => {
	it('starts an idle engine at the time of submission, with everything submitted at that instant', () => {
		const engine = createStepwiseEngine(CONFIG, FLAT);
		expect(engine.nextUs()).toBe(Number.POSITIVE_INFINITY);
		engine.submit(request('a', 4, 1), 250);
		expect(engine.nextUs()).toBe(250);
		engine.submit(request('b', 4, 1), 250);
		expect(engine.advance(250)).toEqual([]);
		expect(engine.nextUs()).toBe(1250);
		expect(engine.gauges()).toMatchObject({ running: 2, usedBlocks: 2 });
		engine.submit(request('c', 4, 1), 251);
		expect(engine.advance(1000)).toEqual([]);
		expect(engine.advance(1250).map((event) => [event.id, event.timeUs])).toEqual([
			['a', 1250],
			['b', 1250],
		]);
		expect(engine.nextUs()).toBe(1250);
	});

	it('lets what is submitted because of an end join the step that starts at that end', () => {
		const engine = createStepwiseEngine(CONFIG, FLAT);
		engine.submit(request('a', 4, 1), 0);
		engine.submit(request('b', 4, 3), 0);
		engine.advance(0);
		expect(engine.advance(1000).map((event) => event.id)).toEqual(['a']);
		engine.submit(request('c', 4, 1), 1000);
		engine.advance(1000);
		expect(engine.advance(2000).map((event) => event.id)).toEqual(['c']);
	});

	it('makes an arrival during a step wait for its end, and one step more when asynchronous', () => {
		const started = [false, true].map((asyncScheduling) => {
			const engine = createStepwiseEngine({ ...CONFIG, asyncScheduling }, FLAT);
			const { events } = drive(engine, [
				{ atUs: 0, submit: request('a', 4, 50) },
				{ atUs: 10_001, submit: request('b', 4, 1) },
			]);
			const { startedUs, firstTokenUs } = finished(events, 'b');
			return [startedUs, firstTokenUs];
		});
		expect(started).toEqual([
			[11_000, 12_000],
			[11_000, 13_000],
		]);
	});

	it('returns one shared empty array when nothing ended', () => {
		const engine = createStepwiseEngine(CONFIG, FLAT);
		engine.submit(request('a', 4, 5), 0);
		expect(engine.advance(0)).toBe(engine.advance(1000));
	});

	it('aborts at once, reports the tokens produced so far, and lets the step run out', () => {
		const engine = createStepwiseEngine(CONFIG, FLAT);
		const { events, aborted } = drive(engine, [
			{ atUs: 0, submit: request('a', 4, 50) },
			{ atUs: 7500, abort: 'a' },
			{ atUs: 7500, abort: 'a' },
			{ atUs: 7600, abort: 'unknown' },
		]);
		expect([...aborted]).toEqual([['a', 7]]);
		expect(events).toEqual([]);
		expect(engine.gauges()).toMatchObject({ running: 0, usedBlocks: 0, steps: 8, busyUs: 8000 });
		expect(engine.nextUs()).toBe(Number.POSITIVE_INFINITY);
	});

	it.each([
		['stepwise', createStepwiseEngine],
		['leaping', createLeapingEngine],
	] as const)('tells how many tokens a request has by now (%s)', (_, createEngine) => {
		const engine = createEngine(CONFIG, FLAT);
		engine.submit(request('a', 4, 50), 0);
		engine.submit(request('refused', 200, 5), 0);
		expect(engine.outputTokens('refused', 0)).toBe(0);
		const tokens = [0, 999, 1000, 1001, 7500, 49_999, 50_000].map((nowUs) => {
			while (engine.nextUs() <= nowUs) engine.advance(engine.nextUs());
			return engine.outputTokens('a', nowUs);
		});
		expect(tokens).toEqual([0, 0, 1, 1, 7, 49, undefined]);
		expect(engine.outputTokens('refused', 50_000)).toBeUndefined();
		expect(() => engine.outputTokens('a', 49_999)).toThrow('cannot move');
	});

	it('counts the time between two idle phases as busy, and idle time not', () => {
		const engine = createStepwiseEngine(CONFIG, FLAT);
		drive(engine, [
			{ atUs: 100, submit: request('a', 4, 3) },
			{ atUs: 50_000, submit: request('b', 4, 2) },
		]);
		expect(engine.gauges().busyUs).toBe(5000);
	});

	it('survives steps that take no time', () => {
		const engine = createStepwiseEngine(CONFIG, { ...FLAT, baseUs: 0 });
		const { events } = drive(engine, [{ atUs: 9, submit: request('a', 50, 20) }]);
		expect(finished(events, 'a').timeUs).toBe(9);
	});

	it('refuses a clock that runs backwards or past the next event, and a double id', () => {
		const engine = createStepwiseEngine(CONFIG, FLAT);
		engine.submit(request('a', 4, 3), 100);
		expect(() => engine.submit(request('a', 4, 3), 100)).toThrow('already in the engine');
		expect(() => engine.advance(99)).toThrow('cannot move');
		expect(() => engine.advance(101)).toThrow('cannot move');
		expect(() => engine.submit(request('b', 4, 0), 100)).toThrow('output 0');
	});
});

describe('memory pressure', () => {
	it('recomputes what preemption lost, and everybody ends', () => {
		const engine = engineOf({ numGpuBlocks: 1 + 10, maxModelLen: 40, maxNumBatchedTokens: 64 });
		const ids = ['a', 'b', 'c'];
		const { events } = drive(
			engine,
			ids.map((id) => ({ atUs: 0, submit: request(id, 12, 20) })),
		);
		const ends = ids.map((id) => finished(events, id));
		expect(ends.map(({ outputTokens }) => outputTokens)).toEqual([20, 20, 20]);
		// The first is never displaced; the last admitted is displaced first.
		expect(ends[0]).toMatchObject({ preemptions: 0, recomputedTokens: 0 });
		expect(ends[2]?.preemptions).toBeGreaterThan(0);
		// 3 x 3 blocks of 10 are full with the prompts. Each needs a block more at its 13th position: a gets it, b displaces c.
		expect(ends[2]?.recomputedTokens).toBeGreaterThanOrEqual(12);
		expect(engine.gauges().preemptions).toBe(ends.reduce((sum, end) => sum + end.preemptions, 0));
	});
});
