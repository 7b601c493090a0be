/** Everything that a real server of vLLM 0.32.0 was recorded to say is understood. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from '../../../live/http/answer-reader.ts';
import { readGauges } from '../../../live/http/engine-gauges.ts';
import { isFinal, ServerFailure, statusFailure } from '../../../live/http/failure.ts';

const folder = path.join(__dirname, '../fixtures/vllm-0.32.0');

interface Recording {
	readonly name: string;
	readonly request: { readonly path: string; readonly body?: Record<string, unknown> | string };
	readonly response: {
		readonly status: number;
		readonly body?: unknown;
		readonly events?: readonly unknown[];
	};
}

const recordings = (file: string): readonly Recording[] =>
	JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Recording[];

function feed(reader: AnswerReader, events: readonly unknown[]): void {
	const lines = events.map(
		(event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`,
	);
	const bytes = Buffer.from(lines.join(''));
	// Cut where it hurts: within lines and within characters.
	for (let at = 0; at < bytes.length; at += 7) reader.feed(bytes.subarray(at, at + 7));
}

/** What the whole stream says, read in the plainest way. */
function plainly(events: readonly unknown[]) {
	type Chunk = {
		choices: { text?: string; delta?: { content?: string }; finish_reason?: string | null }[];
		usage?: { prompt_tokens: number; completion_tokens: number };
	};
	const chunks = events.filter((event) => typeof event === 'object') as Chunk[];
	const choices = chunks.flatMap((chunk) => chunk.choices);
	return {
		text: choices.map(({ text, delta }) => text ?? delta?.content ?? '').join(''),
		finishReason: choices.findLast((choice) => typeof choice.finish_reason === 'string')?.finish_reason,
		usage: chunks.findLast(({ usage }) => usage !== undefined)?.usage,
	};
}

const streams = [
	...recordings('completions.json'),
	...recordings('chat.json'),
	...recordings('errors.json'),
].filter(
	({ request, response }) =>
		response.events !== undefined &&
		typeof request.body === 'object' &&
		request.body.n === undefined &&
		!(Array.isArray(request.body.prompt) && typeof request.body.prompt[0] === 'string'),
);

describe('recorded streams', () => {
	it.each(streams.map((stream) => [`${stream.request.path} ${stream.name}`, stream] as const))(
		'%s',
		(_, stream) => {
			const events = stream.response.events ?? [];
			const counts: number[] = [];
			const reader = new AnswerReader((tokens) => counts.push(tokens));
			feed(reader, events);
			const { text, finishReason, usage } = plainly(events);
			expect(counts).toEqual([...counts].sort((a, b) => a - b));
			if (usage === undefined) {
				expect(() => reader.end()).toThrow('without saying how many tokens');
				return;
			}
			expect(reader.end()).toMatchObject({
				text,
				finishReason,
				promptTokens: usage.prompt_tokens,
				outputTokens: usage.completion_tokens,
			});
			// Without running counts, text that is held back until a stop text is ruled out hides tokens.
			const told =
				events.filter((event) => typeof event === 'object' && event !== null && 'usage' in event).length > 1;
			if (told) expect(counts.at(-1)).toBe(usage.completion_tokens);
			else expect(counts.at(-1)).toBeLessThanOrEqual(usage.completion_tokens);
		},
	);

	it.each(['completions.json', 'chat.json'])(
		'tell which tokens they are, where that is asked for: %s',
		(file) => {
			const stream = recordings(file).find(({ name }) => name === 'stream-token-ids');
			const events = stream?.response.events ?? [];
			const chosen = events.flatMap(
				(event) => (event as { choices?: { token_ids?: number[] }[] }).choices ?? [],
			);
			const tokenIds = chosen.flatMap(({ token_ids }) => token_ids ?? []);
			const reader = new AnswerReader(() => undefined);
			feed(reader, events);
			const prompt = file === 'chat.json' ? '[user]\nHello\n[assistant]\n' : 'Once upon';
			expect(reader.soFar()).toEqual({
				promptTokenIds: [...Buffer.from(prompt)],
				tokenIds,
				text: 'A'.repeat(tokenIds.length),
				reasoningText: '',
				finish: 'length',
			});
		},
	);

	it('without that, and where characters are not complete, say so', () => {
		const soFar = (name: string) => {
			const stream = recordings('completions.json').find((recording) => recording.name === name);
			const reader = new AnswerReader(() => undefined);
			feed(reader, (stream?.response.events ?? []).slice(0, 1));
			return reader.soFar();
		};
		expect(soFar('stream-usage')).toMatchObject({ promptTokenIds: null, tokenIds: null, finish: null });
		expect(soFar('stream-incomplete-characters')).toMatchObject({ tokenIds: null, text: '' });
	});

	it('are more than a few', () => {
		expect(streams.length).toBeGreaterThan(15);
	});

	it('an aborted one is a failure', () => {
		const [aborted] = recordings('aborted.json');
		const reader = new AnswerReader(() => undefined);
		expect(() => feed(reader, aborted?.response.events ?? [])).toThrow('finish_reason abort');
	});
});

describe('recorded refusals', () => {
	const refusals = ['errors.json', 'guarded.json', 'tokenizer.json', 'development.json']
		.flatMap(recordings)
		.filter(({ response }) => response.status >= 400);

	it.each(refusals.map((refusal) => [refusal.name, refusal.response] as const))(
		'%s',
		(_, { status, body }) => {
			const failure = statusFailure(status, JSON.stringify(body));
			expect(failure).toBeInstanceOf(ServerFailure);
			expect(failure.message).toMatch(new RegExp(`^HTTP ${status}[^:{]*: [^{"\\n]`));
			expect(failure.message).not.toContain('\n');
			expect(isFinal(failure)).toBe(true);
		},
	);
});

describe('recorded metrics', () => {
	it('tell of the engine and its cache', () => {
		expect(readGauges(readFileSync(path.join(folder, 'metrics.txt'), 'utf8'))).toMatchObject({
			runningRequests: 0,
			waitingRequests: 0,
			kvUsage: 0,
			preemptions: 0,
			blockSize: 128,
			numGpuBlocks: 1024,
			prefixCaching: true,
		});
	});
});
