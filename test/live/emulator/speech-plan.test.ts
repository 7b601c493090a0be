import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Narration } from '../../../live/emulator/narration.ts';
import {
	defaultLengths,
	type OutputWish,
	planSpeech,
	type SpeechPlan,
} from '../../../live/emulator/speech-plan.ts';
import { EOS_TOKEN } from '../../../live/emulator/tokenizer.ts';
import { meanTokens } from '../../../sim/domain/distribution.ts';

const wish = (changes: Partial<OutputWish> = {}): OutputWish => ({
	maxTokens: 1000,
	minTokens: 0,
	ignoreEos: false,
	stop: [],
	stopTokenIds: [],
	includeStopText: false,
	onlyToken: null,
	script: null,
	...changes,
});
const plan = (changes: Partial<OutputWish>, key = 'a', seed = 1): SpeechPlan =>
	planSpeech(seed, key, wish(changes), defaultLengths);
/** All that is shown in the end. */
const textOf = (planned: SpeechPlan): string =>
	new Narration(planned, 0).advance(planned.tokenCount, true).text;

describe('what is said', () => {
	it('follows from seed and key', () => {
		const said = textOf(plan({ ignoreEos: true }));
		expect(textOf(plan({ ignoreEos: true }))).toBe(said);
		expect(textOf(plan({ ignoreEos: true }, 'b'))).not.toBe(said);
		expect(textOf(plan({ ignoreEos: true }, 'a', 2))).not.toBe(said);
		expect(said).toMatch(/^ [A-Z][a-z]+ [a-z]+ /);
	});

	it('has exactly max_tokens tokens when it may not end', () => {
		const planned = plan({ ignoreEos: true, maxTokens: 37 });
		expect(planned).toMatchObject({ tokenCount: 37, finishReason: 'length', stopReason: null });
		expect(textOf(planned)).toHaveLength(37);
	});

	it('ends with an end-of-sequence token that counts and says nothing', () => {
		const planned = plan({ script: { outputTokens: 12 } });
		expect(planned).toMatchObject({ tokenCount: 12, finishReason: 'stop', stopReason: null });
		expect(planned.speech.tokens(0, 12).at(-1)).toBe(EOS_TOKEN);
		expect(textOf(planned)).toHaveLength(11);
	});

	it('lengths are drawn from the distribution', () => {
		const drawn = Array.from({ length: 2000 }, (_, index) =>
			planSpeech(3, String(index), wish({ maxTokens: 40_000 }), defaultLengths),
		).map(({ tokenCount }) => tokenCount);
		const mean = drawn.reduce((sum, tokens) => sum + tokens, 0) / drawn.length;
		expect(Math.abs(mean / meanTokens(defaultLengths) - 1)).toBeLessThan(0.1);
	});

	it('is no shorter than min_tokens and an end', () => {
		for (let index = 0; index < 50; index++)
			expect(plan({ minTokens: 300 }, String(index)).tokenCount).toBeGreaterThanOrEqual(301);
	});
});

describe('a script', () => {
	const script = { outputTokens: 40, text: 'The answer is (B).' };

	it('fixes the length and the last words', () => {
		const planned = plan({ script });
		expect(planned).toMatchObject({ tokenCount: 40, finishReason: 'stop' });
		expect(textOf(planned)).toHaveLength(39);
		expect(textOf(planned)).toMatch(/The answer is \(B\)\.$/);
	});

	it('is cut by max_tokens before it gets to them; reaching the limit is being cut', () => {
		for (const maxTokens of [30, 39, 40]) {
			const planned = plan({ script, maxTokens });
			expect(planned).toMatchObject({ tokenCount: maxTokens, finishReason: 'length' });
			expect(textOf(planned)).not.toContain('answer is');
		}
	});

	it('says its last words in full however few tokens it has', () => {
		for (const outputTokens of [1, 2, 3, 10, 18, 19]) {
			const planned = plan({ script: { ...script, outputTokens } });
			expect(planned).toMatchObject({ tokenCount: outputTokens, finishReason: 'stop' });
			expect(textOf(planned)).toBe(script.text);
		}
	});

	it('without a length takes as many tokens as its text', () => {
		const planned = plan({ script: { text: 'né' } });
		expect(planned.tokenCount).toBe(4);
		expect(textOf(planned)).toBe('né');
	});
});

/** vLLM's front end, token by token: a stop text counts when it is complete, of two at once the first in the list. */
function slowly(
	spoken: string,
	{ stop, minTokens, includeStopText }: OutputWish,
): { tokens: number; text: string } | null {
	for (let tokens = 1; tokens <= spoken.length; tokens++) {
		if (tokens <= minTokens) continue;
		const found = stop.find((text) => spoken.slice(0, tokens).endsWith(text));
		if (found === undefined) continue;
		return { tokens, text: spoken.slice(0, includeStopText ? tokens : tokens - found.length) };
	}
	return null;
}

describe('stop texts', () => {
	it('end the output where going through it token by token ends it', () => {
		const letters = fc.array(fc.constantFrom('e', 't', ' ', 'an', 'th', ' t'), {
			minLength: 1,
			maxLength: 3,
		});
		fc.assert(
			fc.property(
				letters,
				fc.integer({ min: 0, max: 30 }),
				fc.boolean(),
				fc.integer({ min: 0, max: 1000 }),
				(stop, minTokens, includeStopText, key) => {
					const asked = wish({ maxTokens: 60, ignoreEos: true, stop, minTokens, includeStopText });
					const spoken = textOf(planSpeech(1, String(key), { ...asked, stop: [] }, defaultLengths));
					const planned = planSpeech(1, String(key), asked, defaultLengths);
					const expected = slowly(spoken, asked);
					expect(planned.tokenCount).toBe(expected?.tokens ?? 60);
					expect(textOf(planned)).toBe(expected?.text ?? spoken);
					expect(planned.finishReason).toBe(expected === null ? 'length' : 'stop');
				},
			),
			{ seed: 1, numRuns: 500 },
		);
	});

	it('a stream never shows a letter of the stop text, however its tokens come', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 9 })), (pieces) => {
				const planned = plan({ script: { text: 'before STOP after' }, stop: ['STOP', 'no such words'] });
				const narration = new Narration(planned, 'no such words'.length - 1);
				let text = '';
				for (const piece of [...pieces, 100]) {
					const upTo = Math.min(planned.tokenCount, narration.tokensSoFar + piece);
					text += narration.advance(upTo, upTo === planned.tokenCount).text;
					expect('before ').toContain(text);
				}
				expect(text).toBe('before ');
			}),
			{ seed: 1, numRuns: 100 },
		);
	});
});

it('a stream with stop texts lags behind by as much as the longest could have begun', () => {
	const planned = plan({ script: { text: 'abcdefgh' }, stop: ['never'] });
	const narration = new Narration(planned, 4);
	expect([3, 6, 8, 9].map((tokens) => narration.advance(tokens, tokens === 9).text)).toEqual([
		'',
		'ab',
		'cd',
		'efgh',
	]);
});

describe('stop tokens', () => {
	it('end the output, are counted and not shown', () => {
		const planned = plan({ script: { text: 'abcdef' }, stopTokenIds: [100] });
		expect(planned).toMatchObject({ tokenCount: 4, finishReason: 'stop', stopReason: 100 });
		expect(textOf(planned)).toBe('abc');
		expect(planned.speech.tokens(0, 4)).toEqual([97, 98, 99, 100]);
	});

	it('wait for min_tokens', () => {
		const planned = plan({ script: { text: 'abcabc' }, stopTokenIds: [99], minTokens: 3 });
		expect(planned).toMatchObject({ tokenCount: 6, stopReason: 99 });
	});

	it('the one that comes first wins over a stop text', () => {
		expect(plan({ script: { text: 'abcdef' }, stopTokenIds: [99], stop: ['de'] })).toMatchObject({
			tokenCount: 3,
			stopReason: 99,
		});
		expect(plan({ script: { text: 'abcdef' }, stopTokenIds: [102], stop: ['de'] })).toMatchObject({
			tokenCount: 5,
			stopReason: 'de',
		});
	});

	it('its own end is no stop token', () => {
		expect(plan({ script: { text: 'ab' }, stopTokenIds: [EOS_TOKEN] })).toMatchObject({
			tokenCount: 3,
			stopReason: null,
		});
	});
});

describe('text from tokens', () => {
	it('waits for the rest of a character', () => {
		const narration = new Narration(plan({ script: { text: 'é!' } }), 0);
		expect([1, 2, 3, 4].map((tokens) => narration.advance(tokens, tokens === 4).text)).toEqual([
			'',
			'é',
			'!',
			'',
		]);
	});

	it('pieces of any size say the same', () => {
		const planned = plan({ script: { text: 'aéb漢c' } });
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 4 })), (pieces) => {
				const narration = new Narration(planned, 0);
				let text = '';
				const tokens: number[] = [];
				for (const piece of [...pieces, 100]) {
					const upTo = Math.min(planned.tokenCount, narration.tokensSoFar + piece);
					const delta = narration.advance(upTo, upTo === planned.tokenCount);
					text += delta.text;
					tokens.push(...delta.tokens);
				}
				expect(text).toBe('aéb漢c');
				expect(tokens).toEqual(planned.speech.tokens(0, planned.tokenCount));
			}),
			{ seed: 1, numRuns: 100 },
		);
	});
});
