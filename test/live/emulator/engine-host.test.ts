import { describe, expect, it } from 'vitest';
import { EngineHost, type FinishedEvent, type RequestListener } from '../../../live/emulator/engine-host.ts';
import type { EngineMode, EngineRequest } from '../../../sim/domain/engine.ts';
import { createEngine } from '../../../sim/engine/index.ts';
import { AutoClock } from './auto-clock.ts';
import { replicaProfile } from './emulator-fixture.ts';

/** A step takes 10 ms, so a request alone has its k-th token after k steps. */
const STEP_US = 10_000;

function makeHost(
	reportEveryUs: number,
	mode: EngineMode = 'leaping',
): { host: EngineHost; clock: AutoClock } {
	const clock = new AutoClock();
	clock.hold(true);
	const { engine, step } = replicaProfile({ prefixCaching: false });
	return {
		clock,
		host: new EngineHost({ createEngine: () => createEngine(mode, engine, step), clock, reportEveryUs }),
	};
}

const request = (id: string, outputTokens: number): EngineRequest => ({
	id,
	promptTokens: 5,
	outputTokens,
	endsByStop: false,
	maxOutputTokens: outputTokens,
	priority: 0,
});

interface Heard extends RequestListener {
	readonly tokens: number[];
	finished: FinishedEvent | null;
}

const listener = (isStreamed = true): Heard => {
	const heard: Heard = {
		isStreamed,
		tokens: [],
		finished: null,
		onTokens: (count) => heard.tokens.push(count),
		onFinished: (event) => {
			heard.finished = event;
		},
		onRejected: () => undefined,
	};
	return heard;
};

describe('an engine on a clock', () => {
	it('reports every token when it goes step by step', () => {
		const { host, clock } = makeHost(0, 'stepwise');
		const heard = listener();
		host.submit(request('a', 5), heard);
		clock.pass(5 * STEP_US);
		expect(heard.tokens).toEqual([1, 2, 3, 4]);
		expect(heard.finished).toMatchObject({ timeUs: 5 * STEP_US, outputTokens: 5 });
		expect(clock.pendingCount).toBe(0);
	});

	it('tokens that pile up while the process sleeps are reported at once', () => {
		const { host, clock } = makeHost(0, 'stepwise');
		const heard = listener();
		host.submit(request('a', 10), heard);
		clock.pass(STEP_US);
		clock.oversleep(4 * STEP_US);
		clock.pass(0);
		expect(heard.tokens).toEqual([1, 5]);
	});

	it('in scaled time reports the first token when it is there, and the others at intervals', () => {
		const { host, clock } = makeHost(35_000);
		const heard = listener();
		host.submit(request('a', 12), heard);
		clock.pass(STEP_US);
		expect(heard.tokens).toEqual([1]);
		clock.pass(11 * STEP_US);
		expect(heard.tokens).toEqual([1, 3, 7, 10]);
		expect(heard.finished).toMatchObject({ timeUs: 12 * STEP_US, firstTokenUs: STEP_US });
	});

	it('late timers move nothing: what was due is carried out at the time it was due at', () => {
		const { host, clock } = makeHost(50_000);
		const [first, second] = [listener(false), listener(false)];
		host.submit(request('a', 10), first);
		clock.oversleep(1_000_000);
		host.submit(request('b', 10), second);
		expect(first.finished?.timeUs).toBe(10 * STEP_US);
		clock.pass(3_000_000);
		// Submitted at 1 s, when the engine had long been idle.
		expect(second.finished?.timeUs).toBe(1_000_000 + 10 * STEP_US);
	});

	it('tells only those who listen of their tokens', () => {
		const { host, clock } = makeHost(20_000);
		const heard = listener(false);
		host.submit(request('a', 10), heard);
		clock.pass(10 * STEP_US);
		expect(heard.tokens).toEqual([]);
		expect(heard.finished).not.toBeNull();
	});

	it('an abort tells how far it came, and nothing is heard afterwards', () => {
		const { host, clock } = makeHost(20_000);
		const heard = listener();
		host.submit(request('a', 100), heard);
		clock.pass(7 * STEP_US + 1);
		expect(host.abort('a')).toBe(7);
		clock.pass(2_000_000);
		expect(heard.finished).toBeNull();
		expect(host.abort('a')).toBeUndefined();
		expect(host.openCount).toBe(0);
	});

	it('listeners may submit and abort', () => {
		const { host, clock } = makeHost(20_000);
		const [second, third] = [listener(), listener()];
		const first: RequestListener = {
			...listener(),
			onFinished: () => {
				host.abort('c');
				host.submit(request('b', 5), second);
			},
		};
		host.submit(request('a', 10), first);
		host.submit(request('c', 100), third);
		clock.pass(20 * STEP_US);
		// The step after the tenth had begun, with c alone in it.
		expect(second.finished?.timeUs).toBe(16 * STEP_US);
		expect(third.finished).toBeNull();
	});

	it('stands still while frozen, and goes on where it was', () => {
		const { host, clock } = makeHost(20_000);
		const heard = listener();
		host.submit(request('a', 10), heard);
		clock.pass(4 * STEP_US);
		host.freeze();
		clock.pass(1_000_000);
		expect(host.outputTokens('a')).toBe(4);
		host.thaw();
		clock.pass(6 * STEP_US - 1);
		expect(heard.finished).toBeNull();
		clock.pass(1);
		expect(heard.finished?.timeUs).toBe(10 * STEP_US);
	});

	it('keeps its counts when it takes a fresh engine', () => {
		const { host, clock } = makeHost(20_000);
		host.submit(request('a', 10), listener());
		clock.pass(10 * STEP_US);
		host.renew();
		host.submit(request('b', 3), listener());
		clock.pass(3 * STEP_US);
		expect(host.gauges()).toMatchObject({ steps: 13, running: 0, usedBlocks: 0 });
	});
});
