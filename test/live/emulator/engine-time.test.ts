import { describe, expect, it } from 'vitest';
import { startClock } from '../../../live/clock.ts';
import { createEngine } from '../../../sim/engine/index.ts';
import { AutoClock } from './auto-clock.ts';
import { beginEmulator, post, readyEmulator, replicaProfile } from './emulator-fixture.ts';

/** Prompt and output tokens. */
const calls = [
	[30, 40],
	[500, 3],
	[10, 200],
	[90, 90],
	[1, 1],
	[300, 120],
	[17, 65],
	[800, 100],
] as const;

const profile = {
	...replicaProfile({
		blockSize: 16,
		numGpuBlocks: 100,
		maxNumSeqs: 4,
		maxNumBatchedTokens: 256,
		prefixCaching: false,
	}),
	step: {
		hostUs: 700,
		hostPerSequenceUs: 30,
		baseUs: 4000,
		perTokenOverKneeUs: 21,
		kneeTokens: 64,
		perDecodeSequenceUs: 7,
		perContextTokenUs: 0.13,
		perPrefillTokenSquaredUs: 0.002,
		allReduceUs: 0,
	},
};

describe('engine time', () => {
	it.each([1, 40])(
		'is that of the engine model to the microsecond, through HTTP at speed %d',
		async (speed) => {
			const clock = new AutoClock(speed);
			const server = await readyEmulator({ profile, speed }, { clock });
			clock.hold(true);
			const beganUs = clock.nowUs();
			const ends: number[] = [];
			const asked: Promise<unknown>[] = [];
			for (const [index, [promptTokens, outputTokens]] of calls.entries()) {
				const body = { prompt: Array(promptTokens).fill(65), max_tokens: outputTokens, ignore_eos: true };
				asked.push(post(server.baseUrl, '/v1/completions', body).then((response) => response.json()));
				// One after the other, so that the order of arrival is theirs.
				for (let load = -1; load <= index; load = await loadOf(server.baseUrl));
			}
			clock.hold(false);
			await Promise.all(asked);

			const engine = createEngine('stepwise', profile.engine, profile.step);
			for (const [index, [promptTokens, outputTokens]] of calls.entries())
				engine.submit(
					{
						id: String(index),
						promptTokens,
						outputTokens,
						endsByStop: false,
						maxOutputTokens: outputTokens,
						priority: 0,
					},
					beganUs,
				);
			while (engine.nextUs() < Number.POSITIVE_INFINITY)
				for (const event of engine.advance(engine.nextUs())) ends.push(event.timeUs - beganUs);
			const text = await (await fetch(`${server.baseUrl}/metrics`)).text();
			const sum = Number(/^vllm:e2e_request_latency_seconds_sum\S* (\S+)$/m.exec(text)?.[1]);
			expect(ends).toHaveLength(calls.length);
			// Clients' clocks go slower than the engine's.
			expect(Math.round(sum * speed * 1e6)).toBe(ends.reduce((total, end) => total + end, 0));
			expect(clock.nowUs() - beganUs).toBeGreaterThanOrEqual(Math.max(...ends));
		},
	);

	it('how many tokens a second one process streams', async () => {
		const [streams, tokens] = [32, 500];
		const { emulator } = beginEmulator(
			{ profile: replicaProfile({ maxNumSeqs: 64 }), speed: 100_000 },
			{ clock: startClock(100_000) },
		);
		const baseUrl = `http://127.0.0.1:${await emulator.ready}`;
		const body = { prompt: 'A', max_tokens: tokens, ignore_eos: true, stream: true };
		const startedMs = performance.now();
		const texts = await Promise.all(
			Array.from({ length: streams }, async () => (await post(baseUrl, '/v1/completions', body)).text()),
		);
		const seconds = (performance.now() - startedMs) / 1000;
		console.log(
			`${streams} streams of ${tokens} tokens: ${Math.round((streams * tokens) / seconds)} tokens/s`,
		);
		expect(texts.every((text) => text.endsWith('data: [DONE]\n\n'))).toBe(true);
	});
});

const loadOf = async (baseUrl: string): Promise<number> =>
	((await (await fetch(`${baseUrl}/load`)).json()) as { server_load: number }).server_load;
