import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { continuedPrompt, joinedReply } from '../../../live/content/continuation.ts';
import type { CallPrompt, CallReply, CarriedOutput } from '../../../live/content.ts';
import { Narration } from '../../../live/emulator/narration.ts';
import { defaultLengths, planSpeech, type SpeechScript } from '../../../live/emulator/speech-plan.ts';

const output = (tokens: number, text = '', reasoningText = ''): CarriedOutput => ({
	promptTokenIds: [5, 6],
	tokenIds: Array.from({ length: tokens }, (_, index) => 100 + index),
	text,
	reasoningText,
});

const reply = (text: string, outputTokens = 10): CallReply => ({
	text,
	reasoningText: '',
	promptTokens: 12,
	outputTokens,
	cachedPromptTokens: 3,
	finishReason: 'stop',
});

describe('what is sent to go on', () => {
	it('is one prompt of token ids, and the rest of the limit', () => {
		const prompt: CallPrompt = {
			endpoint: 'chat',
			body: { messages: [], temperature: 0.7, seed: 9 },
			maxTokens: 50,
			promptTokens: null,
		};
		expect(continuedPrompt(prompt, output(3))).toEqual({
			endpoint: 'completions',
			body: { temperature: 0.7, seed: 9, prompt: [5, 6, 100, 101, 102] },
			maxTokens: 47,
			promptTokens: 5,
		});
	});

	const kinds = ['plain', 'multi-byte', 'longer than its tokens', 'none'] as const;
	it('lets an emulator say the rest of its script: all in all as many tokens, and the same last words', () => {
		fc.assert(
			fc.property(
				fc.constantFrom(...kinds),
				fc.integer({ min: 1, max: 90 }),
				fc.integer({ min: 2, max: 120 }),
				fc.nat(),
				(kind, outputTokens, maxTokens, at) => {
					const text = {
						plain: '\n</think>\n\nSo it is.\nThe answer is (B).',
						'multi-byte': '\nThe answer is \\boxed{π·√2}.',
						'longer than its tokens': `\n${'word '.repeat(20)}The answer is 7.`,
						none: undefined,
					}[kind];
					const whole = say({ outputTokens, ...(text === undefined ? {} : { text }) }, maxTokens);
					const begun = whole.upTo(at % whole.tokenCount);
					if (begun.tokens === 0) return;
					const prompt: CallPrompt = {
						endpoint: 'completions',
						body: { prompt: [5, 6], mosaic: { output_tokens: outputTokens, ...(text && { text }) } },
						maxTokens,
						promptTokens: 2,
					};
					const carried = output(begun.tokens, begun.text);
					const { body, maxTokens: left } = continuedPrompt(prompt, carried);
					const { output_tokens, text: words } = body.mosaic as { output_tokens: number; text?: string };
					const rest = say(
						{ outputTokens: output_tokens, ...(words === undefined ? {} : { text: words }) },
						left,
					);
					expect(begun.tokens + rest.tokenCount).toBe(whole.tokenCount);
					expect(rest.finishReason).toBe(whole.finishReason);
					const joined = joinedReply(carried, reply(rest.upTo(rest.tokenCount).text, rest.tokenCount));
					expect(joined.outputTokens).toBe(whole.tokenCount);
					const said = whole.finishReason === 'stop' && text !== undefined;
					if (said) expect(joined.text.endsWith(text)).toBe(true);
				},
			),
			{ seed: 41, numRuns: 2000 },
		);
	});
});

describe('what was said in all', () => {
	it('is the words of both, in tokens of the call', () => {
		expect(joinedReply(output(3, 'so it '), reply('is.'))).toEqual({
			...reply('so it is.'),
			promptTokens: 9,
			outputTokens: 13,
		});
	});

	it('of a call that never moved is its own', () => {
		expect(joinedReply(null, reply('x'))).toEqual(reply('x'));
	});

	it.each([
		['in reasoning that ends', output(1, '', 'let'), ' me</think>B', 'let me', 'B'],
		['in reasoning that does not', output(1, '', 'let'), ' me', 'let me', ''],
		['at the end of reasoning', output(1, '', 'let'), '</think>', 'let', ''],
		['in the answer after it', output(1, 'The', 'let me'), ' answer</think>', 'let me', 'The answer</think>'],
		['without a parser', output(1, '<think>let'), ' me</think>B', '', '<think>let me</think>B'],
	])('%s', (_, carried, text, reasoningText, answer) => {
		expect(joinedReply(carried, reply(text))).toMatchObject({ reasoningText, text: answer });
	});
});

/** An emulator's output, and what a client knows of it after so many tokens: as far as its characters are whole. */
function say(script: SpeechScript, maxTokens: number) {
	const plan = planSpeech(
		1,
		'key',
		{
			maxTokens,
			minTokens: 0,
			ignoreEos: false,
			stop: [],
			stopTokenIds: [],
			includeStopText: false,
			onlyToken: null,
			script,
		},
		defaultLengths,
	);
	return {
		tokenCount: plan.tokenCount,
		finishReason: plan.finishReason,
		upTo(count: number) {
			const narration = new Narration(plan, 0);
			let text = '';
			let tokens = 0;
			for (let token = 1; token <= count; token++) {
				const delta = narration.advance(token, token === plan.tokenCount);
				text += delta.text;
				if (delta.text !== '') tokens = token;
			}
			return { text, tokens };
		},
	};
}
