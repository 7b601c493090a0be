import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitReply } from '../../../live/content/reasoning.ts';
import type { CallReply } from '../../../live/content.ts';

const reply = (text: string, parts: Partial<CallReply> = {}): CallReply => ({
	text,
	reasoningText: '',
	promptTokens: 10,
	outputTokens: 100,
	cachedPromptTokens: 0,
	finishReason: 'stop',
	...parts,
});

describe('reasoning and answer', () => {
	it.each([
		// text, reasoning text, model class, finish reason: answer, its tokens of 100
		['It is B.', '', 'instruct', 'stop', 'It is B.', 100],
		['It is B', '', 'instruct', 'length', 'It is B', 100],
		['<think>12345</think>12345678', '', 'reasoning', 'stop', '12345678', 29],
		// The template opened the tag, so it stands in the prompt.
		['12345678</think>\n\n1234567890', '', 'reasoning', 'stop', '1234567890', 43],
		['a</think>b</think>c', '', 'reasoning', 'stop', 'c', 5],
		['a</think>', '', 'reasoning', 'stop', '', 0],
		['a</think>It is', '', 'reasoning', 'length', 'It is', 36],
		// A model that is said to reason and did not: all is answer, unless it was cut before anyone could tell.
		['It is B.', '', 'reasoning', 'stop', 'It is B.', 100],
		['So then', '', 'reasoning', 'length', '', 0],
		// Never closed
		['<think>So then', '', 'reasoning', 'length', '', 0],
		['<think>So then', '', 'reasoning', 'stop', '', 0],
		['<think>So then', '', 'instruct', 'length', '', 0],
		// The server's parser has cut it.
		['12345', '123456789012345', 'reasoning', 'stop', '12345', 25],
		['', 'So then', 'reasoning', 'length', '', 0],
	] as const)(
		'%j and %j of a model for %s, %s: %j',
		(text, reasoningText, modelClass, finishReason, answerText, answerTokens) => {
			const said = splitReply(reply(text, { reasoningText, finishReason }), modelClass);
			expect(said).toMatchObject({ answerText, answerTokens });
			expect(said.neverAnswered).toBe(answerTokens === 0 && !text.endsWith('</think>'));
		},
	);

	it('never counts more tokens than there were', () => {
		const texts = fc
			.array(fc.constantFrom('<think>', '</think>', 'x', ' ', '\n'), { maxLength: 6 })
			.map((parts) => parts.join(''));
		fc.assert(
			fc.property(texts, texts, fc.nat(50), fc.boolean(), (text, reasoningText, outputTokens, isCut) => {
				const given = reply(text, { reasoningText, outputTokens, finishReason: isCut ? 'length' : 'stop' });
				for (const modelClass of ['instruct', 'reasoning'] as const) {
					const said = splitReply(given, modelClass);
					expect(said.answerTokens).toBeGreaterThanOrEqual(0);
					expect(said.answerTokens).toBeLessThanOrEqual(outputTokens);
					expect(said.answerText).not.toContain('</think>');
				}
			}),
			{ seed: 2 },
		);
	});
});
