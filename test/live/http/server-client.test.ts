import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFinal, ServerFailure } from '../../../live/http/failure.ts';
import { type GenerationRequest, ServerClient } from '../../../live/http/server-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeVllm } from '../../support/fake-vllm.ts';

const KEY = 'sk-secret-1';
let server: FakeVllm;
let clock: FakeClock;
let client: ServerClient;
let abort: AbortController;

beforeEach(async () => {
	server = await FakeVllm.listen({ apiKey: KEY });
	clock = new FakeClock();
	client = new ServerClient({ baseUrl: server.url, servedModel: 'm', apiKey: KEY }, clock);
	abort = new AbortController();
});

afterEach(async () => {
	await client.close();
	await server.close();
});

const request = (more: Partial<GenerationRequest> = {}): GenerationRequest => ({
	endpoint: 'completions',
	body: { prompt: [11, 12, 13], max_tokens: 5 },
	firstTokenLimitUs: 60e6,
	silenceLimitUs: 10e6,
	signal: abort.signal,
	onTokens: () => undefined,
	...more,
});

async function failureOf(promise: Promise<unknown>): Promise<ServerFailure> {
	const error = await promise.then(
		() => null,
		(reason: unknown) => reason,
	);
	expect(error).toBeInstanceOf(ServerFailure);
	expect((error as ServerFailure).message).not.toContain(KEY);
	return error as ServerFailure;
}

describe('a streamed answer', () => {
	it('brings text, exact tokens and cached prompt tokens', async () => {
		const seen: number[] = [];
		const answer = client.generate(request({ onTokens: (tokens) => seen.push(tokens) }));
		const asked = await server.next();
		expect(asked.body).toEqual({
			prompt: [11, 12, 13],
			max_tokens: 5,
			model: 'm',
			stream: true,
			stream_options: { include_usage: true, continuous_usage_stats: true },
		});
		asked.say('one two');
		asked.say(' three');
		asked.finish('length', 2, { queue_time_ms: 12.5 });
		expect(await answer).toEqual({
			text: 'one two three',
			reasoningText: '',
			promptTokens: 3,
			cachedPromptTokens: 2,
			outputTokens: 3,
			finishReason: 'length',
			queueMs: 12.5,
		});
		expect(seen).toEqual([2, 3, 3]);
	});

	it('of a chat keeps what was thought apart from what was said', async () => {
		const answer = client.generate(request({ endpoint: 'chat', body: { messages: [] } }));
		const asked = await server.next();
		expect(asked.path).toBe('/v1/chat/completions');
		const usage = { prompt_tokens: 4, completion_tokens: 2 };
		asked.event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] });
		asked.event({ choices: [{ index: 0, delta: { reasoning: 'hm' } }] });
		asked.event({ choices: [{ index: 0, delta: { content: 'yes' }, finish_reason: 'stop' }] });
		asked.event({ choices: [], usage });
		asked.end();
		expect(await answer).toMatchObject({
			text: 'yes',
			reasoningText: 'hm',
			promptTokens: 4,
			outputTokens: 2,
		});
	});

	it('given up closes its connection, before and after its first token', async () => {
		const early = client.generate(request());
		const first = await server.next();
		abort.abort();
		expect((await failureOf(early)).kind).toBe('cancelled');
		expect(await first.closed).toBe(false);
		const again = new AbortController();
		const late = client.generate(request({ signal: again.signal, onTokens: () => again.abort() }));
		const second = await server.next();
		second.say('word');
		expect((await failureOf(late)).kind).toBe('cancelled');
		expect(await second.closed).toBe(false);
	});

	it('may take for ever as long as tokens come', async () => {
		let tokens = 0;
		const heard: (() => void)[] = [];
		const answer = client.generate(
			request({
				onTokens: (count) => {
					tokens = count;
					heard.shift()?.();
				},
			}),
		);
		const asked = await server.next();
		clock.advance(59);
		for (let spoken = 1; spoken <= 20; spoken++) {
			const token = new Promise<void>((resolve) => heard.push(resolve));
			asked.say('a');
			await token;
			expect(tokens).toBe(spoken);
			clock.advance(9);
		}
		asked.finish();
		expect((await answer).outputTokens).toBe(20);
	});
});

describe('what goes wrong is told apart', () => {
	it('no token in time', async () => {
		const failure = failureOf(client.generate(request()));
		const asked = await server.next();
		clock.advance(60);
		expect(await failure).toMatchObject({ kind: 'first-token', message: 'no token in 60 s' });
		expect(await asked.closed).toBe(false);
	});

	it('silence after a token', async () => {
		let heard = (): void => undefined;
		const token = new Promise<void>((resolve) => {
			heard = resolve;
		});
		const failure = failureOf(client.generate(request({ onTokens: heard })));
		const asked = await server.next();
		clock.advance(50);
		asked.say('word');
		await token;
		clock.advance(9);
		clock.advance(1);
		expect(await failure).toMatchObject({ kind: 'silence', message: 'no further token in 10 s' });
	});

	it('nobody listens', async () => {
		const port = server.port;
		await server.close();
		const failure = await failureOf(client.generate(request()));
		expect(failure).toMatchObject({ kind: 'refused', message: 'no connection (ECONNREFUSED)' });
		server = await FakeVllm.listen({ port });
	});

	it('a connection that is cut, before and in the middle of an answer', async () => {
		const early = failureOf(client.generate(request()));
		(await server.next()).drop();
		expect((await early).kind).toBe('reset');
		let heard = (): void => undefined;
		const token = new Promise<void>((resolve) => {
			heard = resolve;
		});
		const late = failureOf(client.generate(request({ onTokens: heard })));
		const asked = await server.next();
		asked.say('word');
		await token;
		asked.drop();
		expect((await late).kind).toBe('reset');
	});

	it('a refused request, with the words of the server', async () => {
		const failure = failureOf(client.generate(request()));
		(await server.next()).refuse(400, 'max_tokens must be\nat least 1');
		expect(await failure).toMatchObject({
			kind: 'status',
			status: 400,
			message: 'HTTP 400 BadRequestError: max_tokens must be at least 1',
		});
	});

	it('a broken server', async () => {
		const failure = failureOf(client.generate(request()));
		(await server.next()).refuse(500, 'EngineCore encountered an issue');
		expect(await failure).toMatchObject({ kind: 'status', status: 500 });
	});

	it('a wrong key', async () => {
		const other = new ServerClient({ baseUrl: server.url, servedModel: 'm', apiKey: 'sk-secret-12' }, clock);
		const failure = await failureOf(other.generate(request()));
		expect(failure).toMatchObject({ kind: 'status', status: 401, message: 'HTTP 401: Unauthorized' });
		await other.close();
	});

	it('a server that quotes the key', async () => {
		const failure = failureOf(client.generate(request()));
		(await server.next()).refuse(400, `bad header Bearer ${KEY}`);
		expect((await failure).message).toBe('HTTP 400 BadRequestError: bad header Bearer (key)');
	});

	it('a server that quotes the key inside the stream', async () => {
		const failure = failureOf(client.generate(request()));
		const asked = await server.next();
		asked.event({ error: { message: `bad header Bearer ${KEY}`, type: 'BadRequestError', code: 400 } });
		asked.end();
		expect((await failure).message).toBe('error in the stream: bad header Bearer (key)');
	});

	it('an error inside the stream', async () => {
		const failure = failureOf(client.generate(request()));
		const asked = await server.next();
		asked.say('word');
		asked.event({ error: { message: 'engine died', type: 'InternalServerError', code: 500 } });
		asked.end();
		expect(await failure).toMatchObject({
			kind: 'error-event',
			status: 500,
			message: 'error in the stream: engine died',
		});
	});

	it('an answer that the server gave up', async () => {
		const failure = failureOf(client.generate(request()));
		const asked = await server.next();
		asked.say('word');
		asked.finish('abort');
		expect((await failure).message).toContain('finish_reason abort');
	});

	it.each([
		['without its end', (asked: Awaited<ReturnType<FakeVllm['next']>>) => asked.breakOff(), 'cut-short'],
		['that is none', (asked: Awaited<ReturnType<FakeVllm['next']>>) => asked.event('hello'), 'not-vllm'],
		[
			'without token counts',
			(asked: Awaited<ReturnType<FakeVllm['next']>>) => {
				asked.event({ choices: [{ index: 0, text: 'a', finish_reason: 'stop' }] });
				asked.end();
			},
			'not-vllm',
		],
	] as const)('a stream %s', async (_, misbehave, kind) => {
		const failure = failureOf(client.generate(request()));
		misbehave(await server.next());
		expect((await failure).kind).toBe(kind);
	});

	it.each([
		[new ServerFailure('status', '', 400), true],
		[new ServerFailure('status', '', 404), true],
		[new ServerFailure('status', '', 429), false],
		[new ServerFailure('status', '', 500), false],
		[new ServerFailure('error-event', '', 400), true],
		[new ServerFailure('error-event', ''), false],
		[new ServerFailure('reset', ''), false],
		[new ServerFailure('silence', ''), false],
		[new ServerFailure('not-vllm', ''), true],
	])('and what would fail again: %o', (failure, final) => {
		expect(isFinal(failure)).toBe(final);
	});
});

describe('everything but generation', () => {
	it('reads health, models, version and tokens', async () => {
		expect(await client.isHealthy()).toBe(true);
		server.health = 503;
		expect(await client.isHealthy()).toBe(false);
		expect(await client.models()).toEqual([{ id: 'm', maxModelLen: 4096 }]);
		expect(await client.version()).toBe('0.32.0');
		expect(await client.countTokens({ prompt: 'abc', max_tokens: 5 })).toBe(5);
		expect(await client.countTokens({ messages: [] })).toBe(2);
		expect(await client.isSleeping()).toBe(false);
	});

	it('wakes from the second level by reading the weights again before there is a cache', async () => {
		await client.sleep(1, 60e6, abort.signal);
		await client.wake(1, 60e6, abort.signal);
		await client.sleep(2, 60e6, abort.signal);
		await client.wake(2, 60e6, abort.signal);
		expect(server.log).toEqual([
			'POST /sleep?level=1&mode=wait',
			'POST /wake_up',
			'POST /sleep?level=2&mode=wait',
			'POST /wake_up?tags=weights',
			'POST /collective_rpc',
			'POST /wake_up?tags=kv_cache',
			'POST /reset_prefix_cache',
		]);
	});

	it('waits no longer than it is told', async () => {
		server.sleepWait = new Promise(() => undefined);
		const failure = failureOf(client.sleep(1, 5e6, abort.signal));
		await server.seen('POST /sleep?level=1&mode=wait');
		clock.advance(5);
		expect(await failure).toMatchObject({ kind: 'time-out', message: 'no answer in 5 s' });
	});

	it('serves hundreds of streams at once', async () => {
		const answers = Array.from({ length: 300 }, () =>
			client.generate(request({ signal: new AbortController().signal })),
		);
		const asked = await Promise.all(answers.map(() => server.next()));
		for (const each of asked) each.say('word');
		for (const each of asked) each.finish();
		expect((await Promise.all(answers)).map(({ outputTokens }) => outputTokens)).toEqual(Array(300).fill(1));
	});
});
