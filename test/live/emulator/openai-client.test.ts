import OpenAI, {
	APIConnectionError,
	AuthenticationError,
	BadRequestError,
	InternalServerError,
	NotFoundError,
	RateLimitError,
} from 'openai';
import { describe, expect, it } from 'vitest';
import type { EmulatorFault } from '../../../sim/domain/live.ts';
import { API_KEY, MODEL, readyEmulator } from './emulator-fixture.ts';

/** The official client, which knows nothing of us. */
async function client(
	faults: readonly EmulatorFault[] = [],
	apiKey?: string,
	given = apiKey,
): Promise<OpenAI> {
	const { baseUrl } = await readyEmulator({ faults }, apiKey === undefined ? {} : { apiKey });
	return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: given ?? 'none', maxRetries: 0 });
}

const chat = { model: MODEL, messages: [{ role: 'user' as const, content: 'What is it?' }] };
const script = { mosaic: { output_tokens: 30, text: 'It is (C).' } };

describe('the openai client', () => {
	it('chats, in one piece and streamed, and gets the same words', async () => {
		const openai = await client();
		const whole = await openai.chat.completions.create({ ...chat, ...script, temperature: 0 });
		const said = whole.choices[0]?.message.content ?? '';
		expect(said).toMatch(/It is \(C\)\.$/);
		expect(whole.choices[0]?.finish_reason).toBe('stop');
		expect(whole.usage).toMatchObject({ prompt_tokens: 31, completion_tokens: 30, total_tokens: 61 });

		const stream = await openai.chat.completions.create({
			...chat,
			...script,
			temperature: 0,
			stream: true,
			stream_options: { include_usage: true },
		});
		let text = '';
		let chunks = 0;
		let usage: unknown;
		for await (const chunk of stream) {
			text += chunk.choices[0]?.delta.content ?? '';
			chunks++;
			usage = chunk.usage ?? usage;
		}
		expect(text).toBe(said);
		// The opening, a chunk a token, and the usage.
		expect(chunks).toBe(32);
		expect(usage).toEqual({
			prompt_tokens: 31,
			total_tokens: 61,
			completion_tokens: 30,
			prompt_tokens_details: { cached_tokens: 0, created_cache_tokens: 0 },
		});
	});

	it('completes texts and tokens, several at a time', async () => {
		const openai = await client();
		const answer = await openai.completions.create({
			model: MODEL,
			prompt: [[65, 66], [67]],
			n: 2,
			max_tokens: 5,
			...{ ignore_eos: true },
		});
		expect(answer.choices.map(({ index, text }) => [index, text.length])).toEqual([
			[0, 5],
			[1, 5],
			[2, 5],
			[3, 5],
		]);
		expect(new Set(answer.choices.map(({ text }) => text)).size).toBe(4);
		expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 20 });
	});

	it('streams several answers, told apart by their index', async () => {
		const openai = await client();
		const stream = await openai.chat.completions.create({
			...chat,
			n: 3,
			max_tokens: 4,
			stream: true,
			...{ ignore_eos: true },
		});
		const texts = ['', '', ''];
		for await (const { choices } of stream)
			for (const { index, delta } of choices) texts[index] += delta.content ?? '';
		expect(texts.map((text) => text.length)).toEqual([4, 4, 4]);
	});

	it('lists models', async () => {
		const { data } = await (await client()).models.list();
		expect(data.map(({ id }) => id)).toEqual([MODEL]);
	});

	it('tells errors apart', async () => {
		const openai = await client();
		const create = (fields: object): Promise<unknown> =>
			openai.chat.completions.create({ ...chat, ...fields } as typeof chat);
		await expect(create({ model: 'nobody' })).rejects.toThrow(NotFoundError);
		await expect(create({ max_tokens: 5000 })).rejects.toThrow(BadRequestError);
		await expect(create({ temperature: -1 })).rejects.toMatchObject({
			status: 400,
			type: 'BadRequestError',
			param: 'temperature',
		});
		await expect(create({ tools: [{ type: 'function', function: { name: 'f' } }] })).rejects.toMatchObject({
			status: 501,
			type: 'NotImplementedError',
		});
	});

	it('is let in with the right key only', async () => {
		await expect((await client([], API_KEY, 'another')).models.list()).rejects.toThrow(AuthenticationError);
		expect((await (await client([], API_KEY)).models.list()).data).toHaveLength(1);
	});

	it('sees the faults on order as what they are', async () => {
		const openai = await client([
			{ kind: 'status', atRequest: 1, status: 500 },
			{ kind: 'status', atRequest: 2, status: 429 },
			{ kind: 'broken-stream', atRequest: 3, afterTokens: 3 },
			{ kind: 'dropped-connection', atRequest: 4, afterTokens: 2 },
			{ kind: 'dropped-connection', atRequest: 5, afterTokens: 1 },
			{ kind: 'broken-stream', atRequest: 6, afterTokens: 1 },
		]);
		const ask = (): Promise<unknown> => openai.chat.completions.create({ ...chat, ...script });
		const listen = async (): Promise<string> => {
			let text = '';
			try {
				const stream = await openai.chat.completions.create({ ...chat, ...script, stream: true });
				for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
			} catch (error) {
				return `${text.length} characters, then ${(error as Error).message}`;
			}
			return `${text.length} characters`;
		};
		await expect(ask()).rejects.toThrow(InternalServerError);
		await expect(ask()).rejects.toThrow(RateLimitError);
		expect(await listen()).toMatch(/^3 characters, then Internal server error/);
		expect(await listen()).toMatch(/^2 characters, then .*(terminated|closed|aborted)/i);
		await expect(ask()).rejects.toThrow(APIConnectionError);
		await expect(ask()).rejects.toThrow(InternalServerError);
		expect(await listen()).toBe('29 characters');
	});
});
