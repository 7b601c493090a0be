import { describe, expect, it } from 'vitest';
import { AutoClock } from './auto-clock.ts';
import { eventsOf, post, readyEmulator, replicaProfile, type TestEmulator } from './emulator-fixture.ts';

interface Answer {
	readonly id: string;
	readonly choices: readonly {
		readonly text: string;
		readonly finish_reason: string | null;
		readonly token_ids: number[] | null;
	}[];
	readonly usage: {
		readonly prompt_tokens: number;
		readonly completion_tokens: number;
		readonly prompt_tokens_details: { readonly cached_tokens: number };
	};
}

async function complete(
	{ baseUrl }: TestEmulator,
	fields: object,
	headers: Record<string, string> = {},
): Promise<Answer> {
	const response = await post(baseUrl, '/v1/completions', { prompt: 'A', ...fields }, headers);
	expect(response.status).toBe(200);
	return (await response.json()) as Answer;
}

const sixteen = replicaProfile({ blockSize: 16 });
const cached = ({ usage }: Answer): number => usage.prompt_tokens_details.cached_tokens;

describe('the prefix cache', () => {
	it('finds what prompts share, to the block', async () => {
		const server = await readyEmulator({ profile: sixteen });
		const tokens = Array.from({ length: 70 }, (_, index) => 10 + index);
		expect(cached(await complete(server, { prompt: tokens, max_tokens: 1 }))).toBe(0);
		// 50 tokens alike fill three blocks; a text with the same bytes is the same prompt.
		expect(cached(await complete(server, { prompt: [...tokens.slice(0, 50), 9, 9, 9], max_tokens: 1 }))).toBe(
			48,
		);
		expect(cached(await complete(server, { prompt: String.fromCharCode(...tokens), max_tokens: 1 }))).toBe(
			64,
		);
		expect(cached(await complete(server, { prompt: tokens.slice(1), max_tokens: 1 }))).toBe(0);
		expect(cached(await complete(server, { prompt: tokens, max_tokens: 1, cache_salt: 'mine' }))).toBe(0);
	});

	it.each([1, 10])('finds the answer before in the next turn, at speed %d', async (speed) => {
		const server = await readyEmulator({ profile: sixteen, speed });
		const prompt = Array.from({ length: 20 }, (_, index) => 10 + index);
		const first = await complete(server, {
			prompt,
			max_tokens: 45,
			ignore_eos: true,
			return_token_ids: true,
		});
		const said = first.choices[0]?.token_ids ?? [];
		// 20 + 44 computed tokens are four blocks.
		expect(cached(await complete(server, { prompt: [...prompt, ...said, 65, 66], max_tokens: 1 }))).toBe(64);
	});

	it('is emptied on demand, but not under somebody', async () => {
		const clock = new AutoClock();
		const server = await readyEmulator({ profile: sixteen }, { clock });
		const prompt = 'a'.repeat(40);
		await complete(server, { prompt, max_tokens: 1 });
		expect(await (await post(server.baseUrl, '/reset_prefix_cache')).json()).toEqual({ success: true });
		expect(cached(await complete(server, { prompt, max_tokens: 1 }))).toBe(0);

		clock.hold(true);
		const running = complete(server, { prompt, max_tokens: 5 });
		await seen(server, 'vllm:num_requests_running', 1, () => clock.pass(10_000));
		expect(await (await post(server.baseUrl, '/reset_prefix_cache')).json()).toEqual({ success: false });
		clock.hold(false);
		await running;
	});
});

/** Waits until a metric has a value. */
async function seen(
	{ baseUrl }: TestEmulator,
	name: string,
	value: number,
	between: () => void = () => undefined,
): Promise<void> {
	for (let tries = 0; tries < 500; tries++) {
		const text = await (await fetch(`${baseUrl}/metrics`)).text();
		const line = text.split('\n').find((each) => each.startsWith(`${name}{`));
		if (Number(line?.split(' ').at(-1)) === value) return;
		between();
	}
	throw new Error(`${name} never became ${value}`);
}

describe('ids, and what is said', () => {
	it('the same id, seed or temperature 0 gets the same words, others do not', async () => {
		const server = await readyEmulator();
		const said = async (fields: object, headers: Record<string, string> = {}): Promise<string> =>
			(await complete(server, { max_tokens: 30, ignore_eos: true, ...fields }, headers)).choices[0]?.text ??
			'';
		const mine = await said({ request_id: 'mine' });
		expect(await said({}, { 'X-Request-Id': 'mine' })).toBe(mine);
		expect(await said({ request_id: 'other' })).not.toBe(mine);
		expect(await said({ seed: 5 })).toBe(await said({ seed: 5 }));
		expect(await said({ seed: 6 })).not.toBe(await said({ seed: 5 }));
		const greedy = await said({ temperature: 0 });
		expect(await said({ temperature: 0 })).toBe(greedy);
		expect(await said({ temperature: 0, prompt: 'B' })).not.toBe(greedy);
	});

	it('requests without an id get the same words in the same order on another server of the seed', async () => {
		const texts = async (): Promise<string[]> => {
			const server = await readyEmulator();
			return [
				(await complete(server, { max_tokens: 20 })).choices[0]?.text ?? '',
				(await complete(server, { max_tokens: 20 })).choices[0]?.text ?? '',
			];
		};
		const [first, second] = [await texts(), await texts()];
		expect(first).toEqual(second);
		expect(first[0]).not.toBe(first[1]);
	});
});

describe('a client that goes away', () => {
	it.each([true, false])('aborts its request in the engine (stream: %s)', async (stream) => {
		const clock = new AutoClock();
		const server = await readyEmulator({}, { clock });
		clock.hold(true);
		const controller = new AbortController();
		const body = { prompt: 'A', max_tokens: 900, ignore_eos: true, stream };
		const gone = fetch(`${server.baseUrl}/v1/completions`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify(body),
			signal: controller.signal,
		}).then((response) => response.text());
		await seen(server, 'vllm:num_requests_running', 1, () => clock.pass(10_000));
		controller.abort();
		await expect(gone).rejects.toThrow();
		await seen(server, 'vllm:num_requests_running', 0);
		expect(await (await fetch(`${server.baseUrl}/load`)).json()).toEqual({ server_load: 0 });
	});
});

describe('who goes first', () => {
	/** Ids in the order in which they are done, of requests sent while one holds the only seat. */
	async function order(
		policy: 'fcfs' | 'priority',
		send: readonly [id: string, priority: number, inHeader: boolean][],
	): Promise<string[]> {
		const clock = new AutoClock();
		const profile = replicaProfile({ policy, maxNumSeqs: 1 });
		const server = await readyEmulator({ profile }, { clock });
		clock.hold(true);
		const done: string[] = [];
		const ask = async (id: string, priority: number, inHeader: boolean): Promise<void> => {
			const fields = {
				request_id: id,
				max_tokens: 3,
				ignore_eos: true,
				...(inHeader ? { priority: 99 } : { priority }),
			};
			await complete(server, fields, inHeader ? { 'X-Vllm-Priority': String(priority) } : {});
			done.push(id);
		};
		const all = [ask('first', 0, false)];
		await seen(server, 'vllm:num_requests_running', 1, () => clock.pass(1));
		for (const [index, each] of send.entries()) {
			all.push(ask(...each));
			await seen(server, 'vllm:num_requests_waiting', index + 1);
		}
		clock.hold(false);
		await Promise.all(all);
		return done;
	}

	it('the lower number under the priority policy, in the body or in the header, which wins', async () => {
		expect(
			await order('priority', [
				['low', 5, false],
				['high', 1, false],
				['header', 0, true],
			]),
		).toEqual(['first', 'header', 'high', 'low']);
	});

	it('who came first under fcfs', async () => {
		expect(
			await order('fcfs', [
				['low', 5, false],
				['high', 1, false],
			]),
		).toEqual(['first', 'low', 'high']);
	});
});

describe('scaled time', () => {
	it('tokens share chunks, at most one every 20 ms of wall time', async () => {
		const clock = new AutoClock(10);
		const server = await readyEmulator({ speed: 10 }, { clock });
		const beganUs = clock.nowUs();
		const body = { prompt: 'A', max_tokens: 100, ignore_eos: true, stream: true, return_token_ids: true };
		const text = await (await post(server.baseUrl, '/v1/completions', body)).text();
		// A second of engine time is 100 ms: five chunks besides the first and the last.
		expect(clock.nowUs() - beganUs).toBeGreaterThanOrEqual(1_000_000);
		const sizes = eventsOf(text)
			.slice(0, -1)
			.map((event) => (event as Answer).choices[0]?.token_ids?.length ?? 0);
		expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100);
		expect(sizes[0]).toBe(1);
		expect(sizes.length).toBeLessThanOrEqual(7);
		expect(Math.max(...sizes)).toBe(20);
	});
});
