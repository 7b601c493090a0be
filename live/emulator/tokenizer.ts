/**
 * The tokenizer of the emulated models: one token a byte (id = value of the byte), then `<s>` and `</s>`. Byte-level as in GPT-2,
 * without merges and without special tokens added to a prompt; vLLM loads the same one from a `tokenizer.json` (test/vllm/make-model.py).
 */
export const BOS_TOKEN = 256;
export const EOS_TOKEN = 257;
export const VOCABULARY_SIZE = 258;

const SPECIAL: readonly (readonly [text: string, id: number])[] = [
	['<s>', BOS_TOKEN],
	['</s>', EOS_TOKEN],
];

/** Tokens of a text; the names of special tokens stand for these, wherever they occur. */
export function encode(text: string): number[] {
	const tokens: number[] = [];
	for (const piece of text.split(/(<s>|<\/s>)/)) {
		const special = SPECIAL.find(([name]) => name === piece);
		if (special !== undefined) tokens.push(special[1]);
		else for (const byte of Buffer.from(piece)) tokens.push(byte);
	}
	return tokens;
}

/** Text of tokens; bytes that are no UTF-8 become U+FFFD. Special tokens are left out. */
export function decode(tokens: readonly number[]): string {
	return Buffer.from(tokens.filter((token) => token < BOS_TOKEN)).toString('utf8');
}

/** Text of tokens with the names of special ones in it. */
export function decodeWithSpecial(tokens: readonly number[]): string {
	let text = '';
	let from = 0;
	for (let index = 0; index <= tokens.length; index++) {
		const token = tokens[index];
		if (token !== undefined && token < BOS_TOKEN) continue;
		text += decode(tokens.slice(from, index)) + (SPECIAL.find(([, id]) => id === token)?.[0] ?? '');
		from = index + 1;
	}
	return text;
}

/** How the vocabulary spells each token. */
export const tokenStrings = (tokens: readonly number[]): string[] =>
	tokens.map((token) => BYTE_LETTERS[token] ?? SPECIAL.find(([, id]) => id === token)?.[0] ?? '');

/** The printable character that stands for each byte in byte-level tokenizers (the table of GPT-2). */
const BYTE_LETTERS: readonly string[] = (() => {
	const isPrintable = (byte: number): boolean =>
		(byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
	let standIns = 0;
	return Array.from({ length: 256 }, (_, byte) =>
		String.fromCharCode(isPrintable(byte) ? byte : 256 + standIns++),
	);
})();
