import { describe, expect, it } from 'vitest';
import { AutoClock } from './auto-clock.ts';
import { eventsOf, post, readyEmulator, replicaProfile, type TestEmulator } from './emulator-fixture.ts';

const isSleeping = async ({ baseUrl }: TestEmulator): Promise<boolean> =>
	((await (await fetch(`${baseUrl}/is_sleeping`)).json()) as { is_sleeping: boolean }).is_sleeping;

const sleepState = async ({ baseUrl }: TestEmulator): Promise<string | undefined> =>
	/sleep_state="(\w+)"\} 1/.exec(await (await fetch(`${baseUrl}/metrics`)).text())?.[1];

/** An answer that is under way: its stream has begun. */
const beginStream = (server: TestEmulator, tokens: number): Promise<Response> =>
	post(server.baseUrl, '/v1/completions', {
		prompt: 'A',
		max_tokens: tokens,
		ignore_eos: true,
		stream: true,
	});

const finishReasons = (text: string): unknown[] =>
	eventsOf(text).flatMap(
		(event) =>
			(event as { choices?: { finish_reason: unknown }[] }).choices?.map((each) => each.finish_reason) ?? [],
	);

describe('sleep mode', () => {
	it('takes the times of the profile, and says what state it is in', async () => {
		const clock = new AutoClock();
		const server = await readyEmulator({}, { clock });
		for (const [level, state, sleepUs, wakeUs] of [
			[1, 'weights_offloaded', 300_000, 400_000],
			[2, 'discard_all', 100_000, 900_000],
		] as const) {
			const beganUs = clock.nowUs();
			expect(await (await post(server.baseUrl, `/sleep?level=${level}`)).json()).toEqual({
				status: 'sleeping',
				level,
			});
			expect(clock.nowUs() - beganUs).toBe(sleepUs);
			expect(await isSleeping(server)).toBe(true);
			expect(await sleepState(server)).toBe(state);
			expect((await fetch(`${server.baseUrl}/health`)).status).toBe(200);
			const asleepUs = clock.nowUs();
			await post(server.baseUrl, '/wake_up');
			expect(clock.nowUs() - asleepUs).toBe(wakeUs);
			expect(await sleepState(server)).toBe('awake');
		}
	});

	it('lets requests wait in silence, and serves them when it wakes', async () => {
		const server = await readyEmulator();
		await post(server.baseUrl, '/sleep?level=1');
		const body = { prompt: 'A', max_tokens: 3 };
		let isAnswered = false;
		const answer = post(server.baseUrl, '/v1/completions', body).then((response) => {
			isAnswered = true;
			return response;
		});
		for (let tries = 0; tries < 100 && !(await waiting(server)); tries++);
		expect(await waiting(server)).toBe(true);
		expect(isAnswered).toBe(false);
		await post(server.baseUrl, '/wake_up');
		expect((await answer).status).toBe(200);
	});

	it('aborts what is under way, or waits for it, or keeps it', async () => {
		const server = await readyEmulator();
		const aborted = await beginStream(server, 900);
		await post(server.baseUrl, '/sleep?level=1&mode=abort');
		expect(finishReasons(await aborted.text()).at(-1)).toBe('abort');
		await post(server.baseUrl, '/wake_up');

		const waitedFor = await beginStream(server, 50);
		await post(server.baseUrl, '/sleep?level=1&mode=wait');
		expect(finishReasons(await waitedFor.text())).toHaveLength(50);
		await post(server.baseUrl, '/wake_up');

		const kept = await beginStream(server, 50);
		await post(server.baseUrl, '/sleep?level=1&mode=keep');
		expect(await isSleeping(server)).toBe(true);
		await post(server.baseUrl, '/wake_up');
		expect(finishReasons(await kept.text()).at(-1)).toBe('length');
	});

	it('wakes in parts, and drops its cache', async () => {
		const server = await readyEmulator({ profile: replicaProfile({ blockSize: 16 }) });
		const ask = async (): Promise<number> => {
			const response = await post(server.baseUrl, '/v1/completions', {
				prompt: 'a'.repeat(40),
				max_tokens: 1,
			});
			const { usage } = (await response.json()) as {
				usage: { prompt_tokens_details: { cached_tokens: number } };
			};
			return usage.prompt_tokens_details.cached_tokens;
		};
		expect([await ask(), await ask()]).toEqual([0, 32]);
		await post(server.baseUrl, '/sleep?level=2');
		expect(await (await post(server.baseUrl, '/wake_up?tags=weights')).json()).toEqual({
			status: 'sleeping',
			tags: ['weights'],
		});
		expect(await isSleeping(server)).toBe(true);
		expect((await post(server.baseUrl, '/collective_rpc', { method: 'reload_weights' })).status).toBe(200);
		await post(server.baseUrl, '/wake_up?tags=kv_cache');
		expect(await isSleeping(server)).toBe(false);
		expect(await ask()).toBe(0);
	});

	it('a level that the profile does not have gives nothing up', async () => {
		const clock = new AutoClock();
		const profile = { ...replicaProfile(), sleep: { 1: null, 2: null } };
		const server = await readyEmulator({ profile }, { clock });
		const beganUs = clock.nowUs();
		await post(server.baseUrl, '/sleep?level=1');
		expect(clock.nowUs()).toBe(beganUs);
		expect([await isSleeping(server), await sleepState(server)]).toEqual([true, 'awake']);
		await post(server.baseUrl, '/wake_up');
		expect(await isSleeping(server)).toBe(false);
	});
});

const waiting = async ({ baseUrl }: TestEmulator): Promise<boolean> =>
	(await (await fetch(`${baseUrl}/metrics`)).text()).includes(
		'vllm:num_requests_waiting{engine="0",model_name="tiny2"} 1',
	);
