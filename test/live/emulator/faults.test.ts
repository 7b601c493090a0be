import { describe, expect, it } from 'vitest';
import type { EmulatorFault } from '../../../sim/domain/live.ts';
import { AutoClock } from './auto-clock.ts';
import { beginEmulator, eventsOf, post, readyEmulator } from './emulator-fixture.ts';

const ask = { prompt: 'A', max_tokens: 5, ignore_eos: true };

/** How a start with a fault goes. */
async function start(
	faults: readonly EmulatorFault[],
): Promise<{ code: number; log: string; timeUs: number }> {
	const clock = new AutoClock();
	const { emulator, log } = beginEmulator({ faults }, { clock });
	await emulator.ready.catch(() => undefined);
	return { code: await emulator.ended, log: log(), timeUs: clock.nowUs() };
}

describe('starts on order', () => {
	it('slow: so much later', async () => {
		const clock = new AutoClock();
		await readyEmulator({ faults: [{ kind: 'slow-start', seconds: 30 }] }, { clock });
		expect(clock.nowUs()).toBe(32_000_000);
	});

	it('failing, with the last words of vLLM', async () => {
		const { code, log, timeUs } = await start([{ kind: 'failing-start' }]);
		expect(code).toBe(1);
		expect(timeUs).toBeLessThan(2_000_000);
		expect(log).toMatch(/Engine core initialization failed\. See root cause above\./);
		expect(log.indexOf('failing-start')).toBeLessThan(log.indexOf('See root cause above'));
	});

	it('out of memory', async () => {
		const { code, log } = await start([{ kind: 'out-of-memory-at-load' }]);
		expect(code).toBe(1);
		expect(log).toContain('torch.OutOfMemoryError: CUDA out of memory.');
	});
});

describe('requests on order', () => {
	it('a hang: accepted and never answered, others are', async () => {
		const { baseUrl } = await readyEmulator({ faults: [{ kind: 'hang', atRequest: 1 }] });
		const controller = new AbortController();
		const hung = fetch(`${baseUrl}/v1/completions`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify(ask),
			signal: controller.signal,
		});
		hung.catch(() => undefined);
		expect((await post(baseUrl, '/v1/completions', ask)).status).toBe(200);
		const first = await Promise.race([hung, fetch(`${baseUrl}/health`).then(() => 'nothing')]);
		expect(first).toBe('nothing');
		controller.abort();
	});

	it('a status: in vLLM’s form', async () => {
		const { baseUrl } = await readyEmulator({ faults: [{ kind: 'status', atRequest: 2, status: 503 }] });
		expect((await post(baseUrl, '/v1/completions', ask)).status).toBe(200);
		const response = await post(baseUrl, '/v1/completions', ask);
		expect(response.status).toBe(503);
		expect(await response.json()).toMatchObject({ error: { type: 'ServiceUnavailableError', code: 503 } });
		expect((await post(baseUrl, '/v1/completions', ask)).status).toBe(200);
	});

	it('a broken stream: status 200, some tokens, an error, the end', async () => {
		const { baseUrl } = await readyEmulator({
			faults: [{ kind: 'broken-stream', atRequest: 1, afterTokens: 2 }],
		});
		const response = await post(baseUrl, '/v1/completions', { ...ask, stream: true });
		expect(response.status).toBe(200);
		const events = eventsOf(await response.text());
		expect(events).toHaveLength(4);
		expect(events.slice(2)).toEqual([
			{ error: { message: 'Internal server error', type: 'InternalServerError', param: null, code: 500 } },
			'[DONE]',
		]);
		const load = await fetch(`${baseUrl}/load`);
		expect(await load.json()).toEqual({ server_load: 0 });
	});
});

describe('engine death', () => {
	it('fails what is open and what comes, and ends the process a while later', async () => {
		const clock = new AutoClock();
		const { baseUrl, emulator, log } = await readyEmulator(
			{ faults: [{ kind: 'engine-death', atRequest: 2 }] },
			{ clock },
		);
		clock.hold(true);
		const open = await post(baseUrl, '/v1/completions', { ...ask, stream: true });
		const dying = await post(baseUrl, '/v1/completions', ask);
		expect(dying.status).toBe(500);
		expect(await dying.json()).toMatchObject({
			error: {
				type: 'InternalServerError',
				message: expect.stringContaining('EngineCore encountered an issue'),
			},
		});
		const events = eventsOf(await open.text());
		expect(events.slice(-2)).toEqual([
			expect.objectContaining({ error: expect.objectContaining({ code: 500 }) }),
			'[DONE]',
		]);
		expect((await fetch(`${baseUrl}/health`)).status).toBe(503);
		expect((await post(baseUrl, '/v1/completions', ask)).status).toBe(500);
		const diedUs = clock.nowUs();
		clock.hold(false);
		expect(await emulator.ended).toBe(1);
		expect(clock.nowUs() - diedUs).toBe(5_000_000);
		expect(log()).toContain('EngineCore encountered a fatal error');
		await expect(fetch(`${baseUrl}/health`)).rejects.toThrow();
	});
});

describe('a stop', () => {
	it('aborts what is open, takes the time of the profile, and leaves nobody listening', async () => {
		const clock = new AutoClock();
		const { baseUrl, emulator } = await readyEmulator({}, { clock });
		clock.hold(true);
		const open = await post(baseUrl, '/v1/completions', { ...ask, max_tokens: 500, stream: true });
		const stopped = emulator.stop();
		expect(eventsOf(await open.text()).at(-2)).toMatchObject({ choices: [{ finish_reason: 'abort' }] });
		const beganUs = clock.nowUs();
		clock.hold(false);
		await stopped;
		expect(clock.nowUs() - beganUs).toBe(500_000);
		await expect(fetch(`${baseUrl}/health`)).rejects.toThrow();
	});

	it('ends a load', async () => {
		const clock = new AutoClock();
		clock.hold(true);
		const { emulator } = beginEmulator({}, { clock });
		clock.pass(1_000_000);
		const stopped = emulator.stop();
		clock.hold(false);
		await stopped;
		expect(clock.pendingCount).toBe(0);
	});
});
