import type { EngineRequest, PromptSegment } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';

/** Name of the stream that holds what a request answers, for the prompts of later requests: `o` and its id. */
export const outputStream = (requestId: string): string => `o${requestId}`;

/**
 * Numbers for full blocks of tokens, in place of vLLM's hashes: two blocks get the same number exactly when they and
 * everything before them hold the same tokens.
 */
export class TokenChains {
	private readonly blockSize: number;
	private readonly streams = new Map<string, number>();
	private readonly numbers = new Map<string, number>();
	private nextNumber = 0;
	private nextStream = 0;

	constructor(blockSize: number) {
		this.blockSize = blockSize;
	}

	/** The chain of a request's prompt followed by its output. */
	chain(request: EngineRequest): TokenChain {
		const pieces: Piece[] = [];
		const { promptSegments } = request;
		if (promptSegments !== undefined) {
			for (const segment of promptSegments) this.append(pieces, segment);
			const given = pieces.reduce((sum, piece) => sum + piece.length, 0);
			assert(given === request.promptTokens, `prompt segments of ${request.id} hold ${given} tokens`);
		}
		this.append(pieces, [outputStream(request.id), 0, Number.POSITIVE_INFINITY]);
		return new TokenChain(this, this.blockSize, pieces, promptSegments === undefined);
	}

	/** The number of the block with these tokens after the block `parent` (-1: it is the first). */
	intern(parent: number, tokens: string): number {
		const key = `${parent}:${tokens}`;
		let number = this.numbers.get(key);
		if (number === undefined) {
			number = this.fresh();
			this.numbers.set(key, number);
		}
		return number;
	}

	/** A number that no other block has. */
	fresh(): number {
		return this.nextNumber++;
	}

	/** Joins a segment to the one before when it continues it, so that equal tokens always look equal. */
	private append(pieces: Piece[], [name, from, length]: PromptSegment): void {
		if (length === 0) return;
		const stream = this.stream(name);
		const last = pieces.at(-1);
		if (last !== undefined && last.stream === stream && last.from + last.length === from)
			last.length += length;
		else pieces.push({ stream, from, length });
	}

	private stream(name: string): number {
		let stream = this.streams.get(name);
		if (stream === undefined) {
			stream = this.nextStream++;
			this.streams.set(name, stream);
		}
		return stream;
	}
}

interface Piece {
	readonly stream: number;
	readonly from: number;
	length: number;
}

/** The block numbers of one sequence, worked out as far as somebody asked. */
export class TokenChain {
	private readonly chains: TokenChains;
	private readonly blockSize: number;
	private readonly pieces: readonly Piece[];
	/** No token of its prompt is shared with anyone, so no block of it needs a common number. */
	private readonly unshared: boolean;
	private readonly numbers: number[] = [];
	private pieceIndex = 0;
	private offset = 0;

	constructor(chains: TokenChains, blockSize: number, pieces: readonly Piece[], unshared: boolean) {
		this.chains = chains;
		this.blockSize = blockSize;
		this.pieces = pieces;
		this.unshared = unshared;
	}

	/** @param blockIndex 0 is the first block of the prompt */
	number(blockIndex: number): number {
		const { numbers } = this;
		while (numbers.length <= blockIndex)
			numbers.push(
				this.unshared ? this.chains.fresh() : this.chains.intern(numbers.at(-1) ?? -1, this.nextBlock()),
			);
		return numbers[blockIndex] as number;
	}

	/** Text that names the next block's tokens, and moves past them. */
	private nextBlock(): string {
		let text = '';
		for (let missing = this.blockSize; missing > 0; ) {
			const piece = this.pieces[this.pieceIndex] as Piece;
			const taken = Math.min(missing, piece.length - this.offset);
			text += `${piece.stream}.${piece.from + this.offset}.${taken} `;
			missing -= taken;
			this.offset += taken;
			if (this.offset === piece.length) {
				this.pieceIndex++;
				this.offset = 0;
			}
		}
		return text;
	}
}
