import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callId } from '../../../sim/domain/ids.ts';
import { FakeVllm } from '../../support/fake-vllm.ts';
import { callOf, closeStands, idPrompt, R0, Stand, type StandOptions } from './stand.ts';

let server: FakeVllm;
let stand: Stand;

beforeEach(async () => {
	server = await FakeVllm.listen();
});

afterEach(async () => {
	await closeStands();
	await server.close();
});

/** A stand with replica r0 awake. */
async function awake(options: StandOptions = {}): Promise<void> {
	stand = new Stand({ servers: { r0: server }, ...options });
	await stand.up();
}

async function dispatched(id = 'a', promptTokens = 3, maxOutputTokens = 100) {
	stand.executor.dispatch(callOf(id, promptTokens, maxOutputTokens), R0);
	await stand.expect('engine-active');
	return server.next();
}

describe('a call', () => {
	it('is sent, streamed and reported with exact tokens and times', async () => {
		await awake();
		stand.clock.advance(5);
		const asked = await dispatched();
		expect(asked.body).toMatchObject({ prompt: [11, 11, 11], max_tokens: 100, ignore_eos: true, model: 'm' });
		expect(asked.headers['x-request-id']).toBe('a-1');
		stand.clock.advance(2);
		const token = tokenSeen();
		asked.say('so it is');
		await token;
		stand.clock.advance(3);
		asked.finish('stop', 2);
		expect(await stand.expect('call-ended')).toEqual({
			kind: 'call-ended',
			timeUs: 10e6,
			call: 'a',
			replica: 'r0',
			outcome: {
				kind: 'finished',
				outputTokens: 3,
				answerTokens: 3,
				finishReason: 'stop',
				answer: 'so it is',
			},
			work: {
				startedUs: 5e6,
				promptTokens: 3,
				firstTokenUs: 7e6,
				cachedPromptTokens: 2,
				recomputedTokens: 0,
				preemptions: 0,
				outputTokens: 3,
			},
		});
		expect(await stand.expect('engine-active')).toMatchObject({ active: false });
		expect(stand.happenings.find(({ event }) => event.kind === 'call-ended')?.reply).toEqual({
			text: 'so it is',
			reasoningText: '',
			promptTokens: 3,
			outputTokens: 3,
			cachedPromptTokens: 2,
			finishReason: 'stop',
		});
	});

	it('started when its time in the queue was over, where the server tells it', async () => {
		await awake();
		const asked = await dispatched();
		const token = tokenSeen();
		stand.clock.advance(3);
		asked.say('x');
		await token;
		asked.finish('stop', 0, { queue_time_ms: 1500 });
		expect((await stand.expect('call-ended')).work).toMatchObject({ startedUs: 1.5e6, firstTokenUs: 3e6 });
	});

	it('is asked for no more tokens than the context leaves', async () => {
		await awake();
		expect((await dispatched('a', 4000, 500)).body.max_tokens).toBe(96);
	});

	it('whose prompt nobody counted has it counted by the server', async () => {
		await awake({
			prompt: () => ({
				endpoint: 'chat',
				body: { messages: ['x'.repeat(4000)] },
				maxTokens: 500,
				promptTokens: null,
			}),
		});
		const asked = await dispatched();
		expect(server.log).toContain('POST /tokenize');
		expect(asked.path).toBe('/v1/chat/completions');
		expect(asked.body.max_tokens).toBe(4096 - JSON.stringify(['x'.repeat(4000)]).length);
	});

	it('that can never fit fails with the words of the server', async () => {
		await awake();
		const asked = await dispatched('a', 5000);
		expect(asked.body.max_tokens).toBe(1);
		asked.refuse(400, "This model's maximum context length is 4096 tokens.");
		expect(await stand.expect('call-ended')).toMatchObject({
			outcome: {
				kind: 'failed',
				reason: "HTTP 400 BadRequestError: This model's maximum context length is 4096 tokens.",
			},
			work: null,
		});
		expect(stand.forgotten).toEqual(['a']);
	});

	it.each([
		['at its limit', 3, 100, 'length'],
		['where the context ended', 3996, 200, 'length'],
		['where it was asked to end', 3, 200, 'stop'],
	])('cut %s', async (_, promptTokens, maxOutputTokens, finishReason) => {
		await awake({ prompt: (call) => ({ ...idPrompt(call), maxTokens: 100 }) });
		const asked = await dispatched('a', promptTokens, maxOutputTokens);
		expect(asked.body.max_tokens).toBe(100);
		asked.say(Array(100).fill('x').join(' '));
		asked.finish('length');
		expect((await stand.expect('call-ended')).outcome).toMatchObject({ outputTokens: 100, finishReason });
		expect(stand.read[0]?.reply.finishReason).toBe(finishReason);
	});

	it('is one of several at once: the engine is active from the first to the last', async () => {
		await awake();
		const a = await dispatched('a');
		stand.executor.dispatch(callOf('b'), R0);
		const b = await server.next();
		a.finish();
		expect(await stand.expect('call-ended')).toMatchObject({ call: 'a' });
		b.finish();
		expect(await stand.expect('call-ended')).toMatchObject({ call: 'b' });
		expect(await stand.expect('engine-active')).toMatchObject({ active: false });
		expect(stand.rest()).toEqual([]);
	});
});

describe('a call that is cancelled', () => {
	it('before its first token has none', async () => {
		await awake();
		const asked = await dispatched();
		stand.clock.advance(1);
		stand.executor.cancel(callId('a'));
		expect(await stand.expect('call-ended')).toMatchObject({
			outcome: { kind: 'cancelled' },
			work: { outputTokens: 0, startedUs: 0, firstTokenUs: 1e6 },
		});
		expect(await asked.closed).toBe(false);
		expect(stand.forgotten).toEqual(['a']);
		await stand.expect('engine-active');
	});

	it('in the middle keeps the tokens it had, and ends once', async () => {
		await awake();
		const asked = await dispatched();
		const token = tokenSeen();
		asked.say('one two');
		await token;
		stand.executor.cancel(callId('a'));
		stand.executor.cancel(callId('a'));
		expect(await stand.expect('call-ended')).toMatchObject({
			outcome: { kind: 'cancelled' },
			work: { outputTokens: 2 },
		});
		await stand.expect('engine-active');
		await asked.closed;
		expect(stand.rest()).toEqual([]);
	});

	it('after it ended stays as it ended', async () => {
		await awake();
		const asked = await dispatched();
		asked.finish();
		expect((await stand.expect('call-ended')).outcome.kind).toBe('finished');
		stand.executor.cancel(callId('a'));
		await stand.expect('engine-active');
		expect(stand.rest()).toEqual([]);
	});

	it('while it waits to be sent again is not sent again', async () => {
		await awake();
		(await dispatched()).refuse(500, 'no');
		await stand.clock.timerOf(1);
		stand.executor.cancel(callId('a'));
		expect((await stand.expect('call-ended')).outcome.kind).toBe('cancelled');
		stand.clock.advance(100);
		expect(server.log.filter((line) => line === 'POST /v1/completions')).toHaveLength(1);
	});
});

describe('a call that fails', () => {
	it('is sent again after a while that doubles, and given up after the last attempt', async () => {
		await awake();
		(await dispatched()).refuse(500, 'no');
		await stand.clock.timerOf(1);
		stand.clock.advance(1);
		(await server.next()).drop();
		await stand.clock.timerOf(2);
		stand.clock.advance(2);
		(await server.next()).breakOff();
		expect(await stand.expect('call-ended')).toMatchObject({
			timeUs: 3e6,
			outcome: { kind: 'failed', reason: 'the stream ended after 0 tokens without its end (sent 3 times)' },
			work: null,
		});
		expect(await stand.expect('engine-active')).toMatchObject({ active: false });
	});

	it('and then succeeds starts where it was sent last', async () => {
		await awake();
		const first = await dispatched();
		const token = tokenSeen();
		first.say('lost words');
		await token;
		first.event({ error: { message: 'broken', type: 'InternalServerError', code: 500 } });
		await stand.clock.timerOf(1);
		stand.clock.advance(1);
		const second = await server.next();
		second.say('kept');
		second.finish();
		expect(await stand.expect('call-ended')).toMatchObject({
			outcome: { kind: 'finished', answer: 'kept', outputTokens: 1 },
			work: { startedUs: 1e6 },
		});
	});

	it('for a reason of its own is not sent again', async () => {
		await awake();
		(await dispatched()).refuse(404, 'The model `m` does not exist.');
		expect((await stand.expect('call-ended')).outcome).toEqual({
			kind: 'failed',
			reason: 'HTTP 404 BadRequestError: The model `m` does not exist.',
		});
	});

	it('by silence while others get tokens is sent again', async () => {
		await awake({
			settings: {
				timeouts: { startSeconds: 900, firstTokenSeconds: 60, silenceSeconds: 60, stopSeconds: 1 },
			},
		});
		const quiet = await dispatched('quiet');
		stand.executor.dispatch(callOf('busy'), R0);
		const busy = await server.next();
		stand.clock.advance(59);
		const token = tokenSeen();
		busy.say('a');
		await token;
		stand.clock.advance(1);
		expect(await quiet.closed).toBe(false);
		await stand.clock.timerOf(1);
		stand.clock.advance(1);
		(await server.next()).finish();
		expect(await stand.expect('call-ended')).toMatchObject({ call: 'quiet', outcome: { kind: 'finished' } });
	});
});

/** Resolves when the executor has seen a token more. */
function tokenSeen(): Promise<void> {
	const { executor } = stand;
	const before = running();
	return new Promise((resolve) => {
		const look = (): void => {
			if (running() > before) resolve();
			else setImmediate(look);
		};
		look();
	});
	function running(): number {
		return executor.snapshot().reduce((sum, { runningCalls }) => sum + runningCalls, 0);
	}
}
