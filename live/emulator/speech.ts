import type { RandomStream } from '../../sim/core/random.ts';
import { BOS_TOKEN, EOS_TOKEN } from './tokenizer.ts';

/** What a request will say, token by token, worked out as far as somebody listens. */
export interface Speech {
	/** Tokens it holds; the last one is an end-of-sequence token when `endsItself`. */
	readonly tokenCount: number;
	readonly endsItself: boolean;
	/** Ids of tokens `from` to before `to`. */
	tokens(from: number, to: number): number[];
	/** UTF-8 of these tokens; an end-of-sequence token has none. */
	bytes(from: number, to: number): Uint8Array;
}

/**
 * Words at random, a byte a token, with `ending` as its last words. An ending with more bytes than there are tokens is spread
 * over all of them, so that it is always said in full.
 * @param tokenCount at least 1
 */
export function makeSpeech(
	random: RandomStream,
	tokenCount: number,
	endsItself: boolean,
	ending = '',
): Speech {
	const last = Buffer.from(ending);
	// A lone end-of-sequence token says the ending, if there is one.
	const spokenTokens = Math.max(tokenCount - (endsItself ? 1 : 0), last.length > 0 ? 1 : 0);
	const fillerBytes = Math.max(0, spokenTokens - last.length);
	const totalBytes = fillerBytes + last.length;
	const filler = new Filler(random);
	const isPlain = totalBytes === spokenTokens;

	/** Where the text of a token begins. */
	const byteAt = (token: number): number => {
		const spoken = Math.min(token, spokenTokens);
		return isPlain ? spoken : Math.floor((spoken * totalBytes) / spokenTokens);
	};
	const bytes = (from: number, to: number): Uint8Array => {
		const [start, end] = [byteAt(from), byteAt(to)];
		const words = filler.bytes(Math.min(start, fillerBytes), Math.min(end, fillerBytes));
		if (end <= fillerBytes) return words;
		return Buffer.concat([words, last.subarray(Math.max(0, start - fillerBytes), end - fillerBytes)]);
	};
	return {
		tokenCount,
		endsItself,
		bytes,
		tokens(from, to) {
			const isEnd = endsItself && to === tokenCount && from < to;
			const spoken = isEnd ? to - 1 : to;
			const ids = isPlain
				? [...bytes(from, spoken)]
				: Array.from({ length: spoken - from }, (_, index) => bytes(from + index, from + index + 1)[0] ?? 32);
			return isEnd ? [...ids, EOS_TOKEN] : ids;
		},
	};
}

/** One token again and again. */
export function repeatToken(token: number, tokenCount: number): Speech {
	const byteCount = (from: number, to: number): number => (token < BOS_TOKEN ? to - from : 0);
	return {
		tokenCount,
		endsItself: false,
		tokens: (from, to) => new Array<number>(to - from).fill(token),
		bytes: (from, to) => Buffer.alloc(byteCount(from, to), token),
	};
}

/** Endless sentences of made-up talk. */
class Filler {
	private readonly random: RandomStream;
	private text = Buffer.alloc(0);
	private length = 0;
	private wordsLeft = 0;

	constructor(random: RandomStream) {
		this.random = random;
	}

	bytes(from: number, to: number): Uint8Array {
		while (this.length < to) this.grow();
		return this.text.subarray(from, to);
	}

	private grow(): void {
		const word = WORDS[Math.floor(this.random() * WORDS.length)] as string;
		const isFirst = this.wordsLeft === 0;
		if (isFirst) this.wordsLeft = 4 + Math.floor(this.random() * 12);
		this.wordsLeft--;
		const piece = ` ${isFirst ? capitalized(word) : word}${this.wordsLeft === 0 ? '.' : ''}`;
		if (this.length + piece.length > this.text.length) {
			const longer = Buffer.alloc(2 * (this.text.length + 64));
			this.text.copy(longer);
			this.text = longer;
		}
		this.length += this.text.write(piece, this.length, 'latin1');
	}
}

const capitalized = (word: string): string => `${(word[0] ?? '').toUpperCase()}${word.slice(1)}`;

const WORDS =
	'a about after all also an and another answer any are as at be because been before both but by can case cannot change check claim compare consider could cover derive does each either equal even every exactly example explain fact far few find first follow for form from general give given has have hence here how however if in instead into is it its just keep know large last least less let like likely long look main make many may mean might more most much must next no none not note now number of off often on once one only option or order other our out over own part point possible problem question rather reason recall rest result right rule same say second see seems several should show simple since small so some state step still such sum take term than that the their then there these they thing think this those though three through thus time to together too true two under until up use value very was way we well were what when where whether which while who why will with within without work would wrong yet'.split(
		' ',
	);
