import { expect, it } from 'vitest';
import { renderChat } from '../../../live/emulator/chat-template.ts';
import { decode, decodeWithSpecial, encode, tokenStrings } from '../../../live/emulator/tokenizer.ts';

it('one token a byte, and the names of special tokens stand for these', () => {
	expect(encode('Aé')).toEqual([65, 195, 169]);
	expect(encode('<s>A</s><s')).toEqual([256, 65, 257, 60, 115]);
	expect(encode('')).toEqual([]);
});

it('text again: special tokens left out or named, halves of characters replaced', () => {
	expect(decode([256, 65, 195, 169, 257])).toBe('Aé');
	expect(decodeWithSpecial([256, 65, 195, 169, 257])).toBe('<s>Aé</s>');
	expect(decodeWithSpecial([65, 195])).toBe('A\ufffd');
});

it('spells tokens as byte-level vocabularies do', () => {
	expect(tokenStrings([65, 32, 195, 169, 10, 256])).toEqual(['A', 'Ġ', 'Ã', '©', 'Ċ', '<s>']);
});

it('chats with the same first messages begin with the same text', () => {
	const first = { role: 'user', content: 'Hi' };
	const open = { addGenerationPrompt: true, continueFinalMessage: false };
	expect(renderChat([first], open)).toBe('[user]\nHi\n[assistant]\n');
	expect(renderChat([first, { role: 'assistant', content: 'Ho' }], open)).toBe(
		'[user]\nHi\n[assistant]\nHo\n[assistant]\n',
	);
	expect(renderChat([first], { addGenerationPrompt: false, continueFinalMessage: true })).toBe('[user]\nHi');
});
