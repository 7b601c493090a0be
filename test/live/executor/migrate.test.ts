import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callId, replicaId } from '../../../sim/domain/ids.ts';
import { FakeVllm } from '../../support/fake-vllm.ts';
import { callOf, closeStands, R0, Stand, type StandOptions, startOf } from './stand.ts';

const R1 = replicaId('r1');
const A = callId('a');

let source: FakeVllm;
let target: FakeVllm;
let stand: Stand;

beforeEach(async () => {
	source = await FakeVllm.listen({ tellsTokens: true });
	target = await FakeVllm.listen({ tellsTokens: true });
});

afterEach(async () => {
	await closeStands();
	await source.close();
	await target.close();
});

/** A stand with both replicas awake. */
async function awake(options: StandOptions = {}): Promise<void> {
	stand = new Stand({ servers: { r0: source, r1: target }, ...options });
	await stand.up('r0', ['gpu0']);
	await stand.up('r1', ['gpu1']);
}

async function dispatched(promptTokens = 3, maxOutputTokens = 100) {
	stand.executor.dispatch(callOf('a', promptTokens, maxOutputTokens), R0);
	await stand.expect('engine-active');
	return source.next();
}

/** Moves the call from r0 to r1. @returns what was reported, and the request that r1 gets */
async function moved() {
	stand.executor.migrate(A, R1);
	expect(await stand.expect('engine-active')).toMatchObject({ replica: 'r0', active: false });
	const event = await stand.expect('call-migrated');
	expect(event).toMatchObject({ from: 'r0', replica: 'r1' });
	expect(await stand.expect('engine-active')).toMatchObject({ replica: 'r1', active: true });
	return { event, asked: await target.next() };
}

const chat = (limit = 100): StandOptions => ({
	prompt: () => ({
		endpoint: 'chat',
		body: { messages: [{ role: 'user', content: 'x' }], temperature: 0.7, seed: 5 },
		maxTokens: limit,
		promptTokens: 7,
	}),
});

describe('a call that moves', () => {
	it('goes on with prompt and output as its prompt, and ends as one call', async () => {
		await awake();
		const first = await dispatched();
		expect(first.body.return_token_ids).toBe(true);
		first.say('so it');
		await tokens(2);
		stand.clock.advance(4);
		const { event, asked } = await moved();
		expect(event).toMatchObject({ timeUs: 4e6, outputTokens: 2 });
		expect(await first.closed).toBe(false);
		expect(asked.path).toBe('/v1/completions');
		expect(asked.body).toMatchObject({
			prompt: [11, 11, 11, 100, 101],
			max_tokens: 98,
			ignore_eos: true,
			return_token_ids: true,
		});
		expect(asked.headers['x-request-id']).toBe('a-2');
		stand.clock.advance(1);
		asked.say(' is');
		await tokens(3);
		asked.finish('stop', 4);
		expect(await stand.expect('call-ended')).toEqual({
			kind: 'call-ended',
			timeUs: 5e6,
			call: 'a',
			replica: 'r1',
			outcome: {
				kind: 'finished',
				outputTokens: 3,
				answerTokens: 3,
				finishReason: 'stop',
				answer: 'so it is',
			},
			work: {
				startedUs: 4e6,
				promptTokens: 3,
				firstTokenUs: 5e6,
				cachedPromptTokens: 4,
				// Prompt and both tokens.
				recomputedTokens: 5,
				preemptions: 0,
				migrations: 1,
				outputTokens: 3,
			},
		});
		expect(stand.read[0]?.reply).toMatchObject({ text: 'so it is', promptTokens: 3, outputTokens: 3 });
	});

	it('is cut at the limit of all its tokens together', async () => {
		await awake();
		const first = await dispatched(3, 10);
		first.say('a b c d');
		await tokens(4);
		const { asked } = await moved();
		expect(asked.body.max_tokens).toBe(6);
		asked.say(' e f g h i j'.trim());
		asked.finish('length');
		expect((await stand.expect('call-ended')).outcome).toMatchObject({
			outputTokens: 10,
			finishReason: 'length',
		});
	});

	it('is asked for no more than its prompt and what it brought leave of the context', async () => {
		await awake();
		const first = await dispatched(4000, 500);
		expect(first.body.max_tokens).toBe(96);
		first.say('a b c d');
		await tokens(4);
		const { asked } = await moved();
		expect(asked.body.max_tokens).toBe(92);
	});

	it('leaves tokens behind that make no whole character yet', async () => {
		await awake();
		const first = await dispatched();
		first.say('a b');
		first.sayNothing();
		await tokens(3);
		const { event, asked } = await moved();
		expect(event.outputTokens).toBe(2);
		expect(asked.body.prompt).toEqual([11, 11, 11, 100, 101]);
		asked.finish();
		expect((await stand.expect('call-ended')).work).toMatchObject({ recomputedTokens: 6, outputTokens: 2 });
	});

	it('of a chat goes on as a plain completion of the tokens that the template made', async () => {
		await awake(chat());
		const first = await dispatched();
		first.say('so it');
		await tokens(2);
		const { asked } = await moved();
		expect(asked.path).toBe('/v1/completions');
		expect(asked.body).toMatchObject({
			prompt: [1, 2, 3, 4, 5, 6, 7, 100, 101],
			temperature: 0.7,
			seed: 5,
			max_tokens: 98,
		});
		expect(asked.body).not.toHaveProperty('messages');
		asked.finish();
		expect((await stand.expect('call-ended')).work).toMatchObject({ promptTokens: 7, recomputedTokens: 9 });
	});

	it('in the middle of its reasoning is read as if one server had told it', async () => {
		await awake(chat());
		const first = await dispatched();
		first.reason('let me');
		await tokens(2);
		const { asked } = await moved();
		asked.say(' think</think>It is B');
		asked.finish();
		await stand.expect('call-ended');
		expect(stand.read[0]?.reply).toMatchObject({ reasoningText: 'let me think', text: 'It is B' });
	});

	it('of a server that does not tell tokens begins again, and says what that cost', async () => {
		await source.close();
		source = await FakeVllm.listen();
		await awake(chat());
		const first = await dispatched();
		first.say('so it');
		await tokens(2);
		const { event, asked } = await moved();
		expect(event.outputTokens).toBe(0);
		expect(asked.path).toBe('/v1/chat/completions');
		expect(asked.body).toMatchObject({ messages: [{ content: 'x' }], max_tokens: 100 });
		asked.say('it is');
		asked.finish();
		expect(await stand.expect('call-ended')).toMatchObject({
			outcome: { outputTokens: 2, answer: 'it is' },
			work: { migrations: 1, recomputedTokens: 9 },
		});
	});

	it('before its first token is sent as it was', async () => {
		await awake();
		await dispatched();
		const { event, asked } = await moved();
		expect(event.outputTokens).toBe(0);
		expect(asked.body).toMatchObject({ prompt: [11, 11, 11], max_tokens: 100 });
		asked.finish();
		expect((await stand.expect('call-ended')).work).toMatchObject({ recomputedTokens: 0, migrations: 1 });
	});

	it('and whose new server fails is sent again with what it brought', async () => {
		await awake();
		const first = await dispatched();
		first.say('so it');
		await tokens(2);
		const { asked } = await moved();
		asked.say(' lost');
		await tokens(3);
		asked.drop();
		await stand.clock.timerOf(1);
		stand.clock.advance(1);
		const again = await target.next();
		expect(again.body).toMatchObject({ prompt: [11, 11, 11, 100, 101], max_tokens: 98 });
		expect(again.headers['x-request-id']).toBe('a-3');
		again.say(' is');
		again.finish();
		expect((await stand.expect('call-ended')).outcome).toMatchObject({ outputTokens: 3, answer: 'so it is' });
	});

	it('while it waits to be sent again is sent elsewhere at once, and nowhere else', async () => {
		await awake();
		const first = await dispatched();
		first.say('lost words');
		await tokens(2);
		first.drop();
		await stand.clock.timerOf(1);
		const { event, asked } = await moved();
		expect(event.outputTokens).toBe(0);
		expect(asked.body.prompt).toEqual([11, 11, 11]);
		stand.clock.advance(5);
		asked.finish();
		expect((await stand.expect('call-ended')).work).toMatchObject({ recomputedTokens: 0 });
		expect(source.log.filter((line) => line === 'POST /v1/completions')).toHaveLength(1);
	});

	it('again takes all along, and is counted twice', async () => {
		await awake();
		const first = await dispatched();
		first.say('a b');
		await tokens(2);
		const { asked } = await moved();
		asked.say(' c');
		await tokens(3);
		stand.executor.migrate(A, R0);
		expect(await stand.expect('engine-active')).toMatchObject({ replica: 'r1', active: false });
		expect(await stand.expect('call-migrated')).toMatchObject({ from: 'r1', replica: 'r0', outputTokens: 3 });
		expect(await stand.expect('engine-active')).toMatchObject({ replica: 'r0', active: true });
		const third = await source.next();
		expect(third.body).toMatchObject({ prompt: [11, 11, 11, 100, 101, 100], max_tokens: 97 });
		third.say(' d');
		third.finish();
		expect(await stand.expect('call-ended')).toMatchObject({
			outcome: { outputTokens: 4, answer: 'a b c d' },
			work: { migrations: 2, recomputedTokens: 5 + 6 },
		});
	});

	it('and is cancelled ends once, with all its tokens', async () => {
		await awake();
		const first = await dispatched();
		first.say('a b');
		await tokens(2);
		const { asked } = await moved();
		asked.say(' c');
		await tokens(3);
		stand.executor.cancel(A);
		expect(await stand.expect('call-ended')).toMatchObject({
			replica: 'r1',
			outcome: { kind: 'cancelled' },
			work: { outputTokens: 3 },
		});
		await stand.expect('engine-active');
		expect(stand.rest()).toEqual([]);
	});
});

describe('a call that is to move', () => {
	it('and has ended stays as it ended', async () => {
		await awake();
		const first = await dispatched();
		first.finish();
		await stand.expect('call-ended');
		await stand.expect('engine-active');
		stand.executor.migrate(A, R1);
		await turn();
		expect(stand.rest()).toEqual([]);
		expect(target.log).not.toContain('POST /v1/completions');
	});

	it('and has all its tokens ends where it is, at once', async () => {
		await awake();
		const first = await dispatched();
		first.say('so it is', 'stop');
		await tokens(3);
		stand.executor.migrate(A, R1);
		expect(await stand.expect('call-ended')).toMatchObject({
			replica: 'r0',
			outcome: { kind: 'finished', outputTokens: 3, finishReason: 'stop', answer: 'so it is' },
			work: { promptTokens: 3, outputTokens: 3 },
		});
		await stand.expect('engine-active');
		await first.closed;
		expect(stand.rest()).toEqual([]);
		expect(target.log).not.toContain('POST /v1/completions');
	});

	it('to a replica that has failed meanwhile comes back with the loss of all it had', async () => {
		await awake({ settings: { retries: { callAttempts: 3, backoffSeconds: 1, replicaRestarts: 0 } } });
		const first = await dispatched();
		first.say('a b');
		await tokens(2);
		stand.executor.dispatch(callOf('b'), R1);
		await stand.expect('engine-active');
		target.health = 503;
		(await target.next()).drop();
		await stand.expect('call-returned');
		await stand.expect('engine-active');
		await stand.expect('replica-failed');
		stand.executor.migrate(A, R1);
		await stand.expect('engine-active');
		expect(await stand.expect('call-migrated')).toMatchObject({ replica: 'r1', outputTokens: 2 });
		expect(await stand.expect('call-returned')).toMatchObject({ call: 'a', replica: 'r1', outputTokens: 2 });
		await turn();
		expect(stand.rest()).toEqual([]);
	});

	it('whose replica has failed is on its way back and stays there', async () => {
		await awake({ settings: { retries: { callAttempts: 3, backoffSeconds: 1, replicaRestarts: 0 } } });
		source.health = 503;
		(await dispatched()).drop();
		await stand.expect('call-returned');
		await stand.expect('engine-active');
		await stand.expect('replica-failed');
		stand.executor.migrate(A, R1);
		await turn();
		expect(stand.rest()).toEqual([]);
	});

	it('to a replica that is being restarted waits for it', async () => {
		await awake();
		const first = await dispatched();
		first.say('a b');
		await tokens(2);
		stand.executor.dispatch(callOf('b'), R1);
		await stand.expect('engine-active');
		target.health = 503;
		(await target.next()).drop();
		await stand.expect('engine-active');
		await stand.expect('replica-restarting');
		stand.executor.migrate(A, R1);
		await stand.expect('engine-active');
		await stand.expect('call-migrated');
		target.health = 200;
		for (let event = await nextEvent(); event.kind !== 'replica-awake'; event = await nextEvent());
		const asked = [await target.next(), await target.next()];
		expect(asked.map(({ body }) => body.prompt)).toContainEqual([11, 11, 11, 100, 101]);
	});
});

it('a controller that takes over sends what a call carried', async () => {
	await source.close();
	source = await FakeVllm.listen({ tellsTokens: true });
	stand = new Stand({ servers: { r0: source, r1: target } });
	const output = { promptTokenIds: [11, 11, 11], tokenIds: [100, 101], text: 'so it', reasoningText: '' };
	stand.executor.restore([
		{
			start: startOf('r0'),
			state: 'awake',
			openCalls: [callOf('a'), callOf('b')],
			carried: new Map([[A, { output, recomputedTokens: 5, migrations: 1 }]]),
			cancelling: [],
		},
	]);
	const asked = [await source.next(), await source.next()];
	expect(asked.map(({ body }) => body.prompt)).toEqual([
		[11, 11, 11, 100, 101],
		[11, 11, 11],
	]);
	asked[0]?.say(' is');
	asked[0]?.finish();
	for (const kind of ['replica-restarting', 'replica-awake', 'engine-active'] as const)
		await stand.expect(kind);
	expect(await stand.expect('call-ended')).toMatchObject({
		outcome: { outputTokens: 3, answer: 'so it is' },
		work: { migrations: 1, recomputedTokens: 5, promptTokens: 3 },
	});
});

it('a controller that takes over says what a call had that was being cancelled', async () => {
	stand = new Stand({ servers: { r0: source, r1: target } });
	const output = { promptTokenIds: [11, 11, 11], tokenIds: [100, 101], text: 'so it', reasoningText: '' };
	stand.executor.restore([
		{
			start: startOf('r0'),
			state: 'awake',
			openCalls: [],
			carried: new Map([[A, { output, recomputedTokens: 5, migrations: 1 }]]),
			cancelling: [callOf('a')],
		},
	]);
	expect(await stand.expect('call-ended')).toMatchObject({
		outcome: { kind: 'cancelled' },
		work: { outputTokens: 2 },
	});
});

it('a call that moves on before it began anew has nothing more to be computed again', async () => {
	await awake();
	(await dispatched()).say('so it');
	await tokens(2);
	await moved();
	stand.executor.migrate(A, R0);
	const back = await source.next();
	back.say(' is');
	back.finish();
	let event = await nextEvent();
	while (event.kind !== 'call-ended') event = await nextEvent();
	expect(stand.read[0]?.reply).toMatchObject({ text: 'so it is' });
	expect(event.work).toMatchObject({ migrations: 2, recomputedTokens: 5 });
});

describe('a call that is parked', () => {
	it('waits with what it has, and goes on with it where it is dispatched next', async () => {
		await awake();
		const first = await dispatched();
		first.say('so it');
		await tokens(2);
		stand.executor.park(A);
		expect(await stand.expect('engine-active')).toMatchObject({ replica: 'r0', active: false });
		expect(await stand.expect('call-parked')).toMatchObject({ call: 'a', replica: 'r0', outputTokens: 2 });
		expect(await first.closed).toBe(false);
		await turn();
		expect(stand.rest()).toEqual([]);
		stand.executor.dispatch(callOf('a', 3, 50), R1);
		expect(await stand.expect('engine-active')).toMatchObject({ replica: 'r1', active: true });
		const asked = await target.next();
		expect(asked.body).toMatchObject({ prompt: [11, 11, 11, 100, 101], max_tokens: 48 });
		expect(asked.headers['x-request-id']).toBe('a-2');
		asked.say(' is');
		asked.finish();
		expect(await stand.expect('call-ended')).toMatchObject({
			replica: 'r1',
			outcome: { outputTokens: 3, answer: 'so it is' },
			work: { migrations: 1, recomputedTokens: 5 },
		});
	});

	it('and has ended stays as it ended', async () => {
		await awake();
		const first = await dispatched();
		first.finish();
		await stand.expect('call-ended');
		await stand.expect('engine-active');
		stand.executor.park(A);
		await turn();
		expect(stand.rest()).toEqual([]);
	});

	it('with all its tokens ends', async () => {
		await awake();
		const first = await dispatched(3, 2);
		first.say('so it');
		await tokens(2);
		stand.executor.park(A);
		expect(await stand.expect('call-ended')).toMatchObject({
			replica: 'r0',
			outcome: { outputTokens: 2, finishReason: 'length' },
		});
		await stand.expect('engine-active');
		await turn();
		expect(stand.rest()).toEqual([]);
	});

	it('and given up leaves nothing behind', async () => {
		await awake();
		(await dispatched()).say('so it');
		await tokens(2);
		stand.executor.park(A);
		stand.executor.cancel(A);
		await stand.expect('engine-active');
		expect(await stand.expect('call-parked')).toMatchObject({ outputTokens: 2 });
		await turn();
		expect(stand.rest()).toEqual([]);
		stand.executor.dispatch(callOf('a'), R1);
		expect((await target.next()).body.prompt).toEqual([11, 11, 11]);
	});

	it('before a controller was killed goes on with what it had, when its successor sends it', async () => {
		stand = new Stand({ servers: { r0: source, r1: target } });
		const output = { promptTokenIds: [11, 11, 11], tokenIds: [100, 101], text: 'so it', reasoningText: '' };
		const carried = { output, recomputedTokens: 5, migrations: 1 };
		const r0 = {
			start: startOf('r0'),
			state: 'awake',
			openCalls: [],
			carried: new Map(),
			cancelling: [],
		} as const;
		stand.executor.restore([r0], new Map([[A, carried]]));
		for (const kind of ['replica-restarting', 'replica-awake'] as const) await stand.expect(kind);
		stand.executor.dispatch(callOf('a'), R0);
		expect((await source.next()).body.prompt).toEqual([11, 11, 11, 100, 101]);
	});
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const nextEvent = () => {
	stand.clock.advance(1);
	return stand.event();
};

/** Resolves when the executor has seen so many tokens in all. */
async function tokens(count: number): Promise<void> {
	while (stand.tokensSeen < count) await turn();
}
