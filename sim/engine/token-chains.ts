import type { EngineRequest, PromptSegment } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';

/** Name of the stream that holds what a request answers, for the prompts of later requests: `o` and its id. */
export const outputStream = (requestId: string): string => `o${requestId}`;

/** Fewer numbers than these are not worth looking through for those to give up. */
const LEAST_CROWD = 4096;

/**
 * Numbers for full blocks of tokens, in place of vLLM's hashes: two blocks get the same number exactly when they and
 * everything before them hold the same tokens. Numbers that nobody bears any more are given up now and then (`forget`), so that
 * memory follows what is open and cached, not what was ever asked.
 */
export class TokenChains {
	private readonly blockSize: number;
	private readonly leastCrowd: number;
	private readonly numbers = new Map<string, number>();
	private readonly runs = new Map<string, number[]>();
	private nextNumber = 0;
	/** Below the next one, and free again. */
	private readonly idle: number[] = [];
	private crowd: number;

	constructor(blockSize: number, leastCrowd = LEAST_CROWD) {
		this.blockSize = blockSize;
		this.leastCrowd = leastCrowd;
		this.crowd = leastCrowd;
	}

	/** Numbers given out. */
	get count(): number {
		return this.nextNumber - this.idle.length;
	}

	/** Whether it is time to `forget`: twice as many numbers are given out as were kept the last time. */
	get isCrowded(): boolean {
		return this.count > this.crowd;
	}

	/** @param mark puts a 1 at every number that an open sequence or a cached block bears; all others are given up */
	forget(mark: (isBorne: Uint8Array) => void): void {
		const isBorne = new Uint8Array(this.nextNumber);
		mark(isBorne);
		for (const [key, number] of this.numbers) if (isBorne[number] === 0) this.numbers.delete(key);
		for (const [key, run] of this.runs) {
			// Whoever bears a number bears those before it.
			const end = run.findIndex((number) => isBorne[number] === 0);
			if (end === 0) this.runs.delete(key);
			else if (end > 0) run.length = end;
		}
		this.idle.length = 0;
		for (let number = this.nextNumber - 1; number >= 0; number--)
			if (isBorne[number] === 0) this.idle.push(number);
		this.crowd = Math.max(this.leastCrowd, 2 * this.count);
	}

	/** The chain of a request's prompt followed by its output. */
	chain(request: EngineRequest): TokenChain {
		const pieces: Piece[] = [];
		const { promptSegments } = request;
		if (promptSegments !== undefined) {
			for (const segment of promptSegments) this.append(pieces, segment);
			const given = pieces.reduce((sum, piece) => sum + piece.length, 0);
			assert(given === request.promptTokens, `prompt segments of ${request.id} hold ${given} tokens`);
			const last = pieces.at(-1);
			// It goes on with what it said before.
			if (last?.stream === outputStream(request.id)) last.length = Number.POSITIVE_INFINITY;
		}
		return new TokenChain(this, this.blockSize, pieces, promptSegments === undefined, request.id);
	}

	/** The tokens that a request answers. */
	output(id: string): Piece {
		return { stream: outputStream(id), from: 0, length: Number.POSITIVE_INFINITY };
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

	/** Numbers of the blocks after the block `parent` that hold the tokens of `stream` from `from` on and nothing else. */
	run(parent: number, stream: string, from: number): number[] {
		const key = `${parent}:${from}.${stream}`;
		let run = this.runs.get(key);
		if (run === undefined) {
			run = [];
			this.runs.set(key, run);
		}
		return run;
	}

	/** A number that no other block has. */
	fresh(): number {
		return this.idle.pop() ?? this.nextNumber++;
	}

	/** Joins a segment to the one before when it continues it, so that equal tokens always look equal. */
	private append(pieces: Piece[], [stream, from, length]: PromptSegment): void {
		if (length === 0) return;
		const last = pieces.at(-1);
		if (last !== undefined && last.stream === stream && last.from + last.length === from)
			last.length += length;
		else pieces.push({ stream, from, length });
	}
}

interface Piece {
	readonly stream: string;
	readonly from: number;
	length: number;
}

/** The block numbers of one sequence, worked out as far as somebody asked. */
export class TokenChain {
	private readonly chains: TokenChains;
	private readonly blockSize: number;
	/** Of the prompt, and the output once somebody asks for it. */
	private readonly pieces: Piece[];
	private readonly id: string;
	/** No token of its prompt is shared with anyone, so no block of it needs a common number. */
	private readonly unshared: boolean;
	private readonly numbers: number[] = [];
	private pieceIndex = 0;
	private offset = 0;
	/** Numbers of the blocks inside one piece, shared with all chains that are alike so far; how many of them are behind. */
	private run: number[] | null = null;
	private runLength = 0;

	constructor(chains: TokenChains, blockSize: number, pieces: Piece[], unshared: boolean, id: string) {
		this.id = id;
		this.chains = chains;
		this.blockSize = blockSize;
		this.pieces = pieces;
		this.unshared = unshared;
	}

	/** @param blockIndex 0 is the first block of the prompt */
	number(blockIndex: number): number {
		const { numbers } = this;
		while (numbers.length <= blockIndex)
			numbers.push(this.unshared ? this.chains.fresh() : this.nextNumber());
		return numbers[blockIndex] as number;
	}

	/** Marks the numbers worked out so far. */
	mark(isBorne: Uint8Array): void {
		for (const number of this.numbers) isBorne[number] = 1;
	}

	private nextNumber(): number {
		const { chains, blockSize, offset } = this;
		const piece = this.piece();
		const parent = this.numbers.at(-1) ?? -1;
		if (piece.length - offset < blockSize) {
			this.run = null;
			return chains.intern(parent, this.nextBlock());
		}
		if (this.run === null || offset === 0) {
			this.run = chains.run(parent, piece.stream, piece.from + offset);
			this.runLength = 0;
		}
		this.skip(blockSize, piece);
		const index = this.runLength++;
		if (index === this.run.length) this.run.push(chains.fresh());
		return this.run[index] as number;
	}

	/** Text that names the next block's tokens, and moves past them. */
	private nextBlock(): string {
		let text = '';
		for (let missing = this.blockSize; missing > 0; ) {
			const piece = this.piece();
			const taken = Math.min(missing, piece.length - this.offset);
			text += `${piece.stream.length}.${piece.stream}.${piece.from + this.offset}.${taken} `;
			missing -= taken;
			this.skip(taken, piece);
		}
		return text;
	}

	private piece(): Piece {
		const { pieces, pieceIndex } = this;
		if (pieceIndex === pieces.length) pieces.push(this.chains.output(this.id));
		return pieces[pieceIndex] as Piece;
	}

	private skip(tokens: number, piece: Piece): void {
		this.offset += tokens;
		if (this.offset < piece.length) return;
		this.pieceIndex++;
		this.offset = 0;
	}
}
