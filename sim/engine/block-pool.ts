import type { Sequence } from './sequence.ts';

/**
 * The KV blocks of one engine. `free + blocks held = usable` at all times; cached blocks that nobody holds count as free.
 */
export interface BlockPool {
	readonly blockSize: number;
	/** All blocks but vLLM's null block. */
	readonly usable: number;
	readonly free: number;
	/**
	 * Looks up the cached leading blocks of a waiting sequence. At least its last token is left to compute.
	 * @returns number of blocks found; `freeMatches` of them lie in the free list
	 */
	match(sequence: Sequence): number;
	readonly freeMatches: number;
	/** Gives the sequence the first `count` blocks of the last `match`. */
	claimMatches(sequence: Sequence, count: number): void;
	/** Gives it `count` free blocks, which forget what was cached in them. */
	take(sequence: Sequence, count: number): void;
	/** Makes its full blocks within the first `knownTokens` findable. */
	cache(sequence: Sequence, knownTokens: number): void;
	/** Takes all its blocks back. */
	release(sequence: Sequence): void;
}

/** Without prefix caching blocks need no identity: only their number counts. */
export class CountingBlockPool implements BlockPool {
	readonly blockSize: number;
	readonly usable: number;
	free: number;
	readonly freeMatches = 0;

	constructor(usable: number, blockSize: number) {
		this.usable = usable;
		this.blockSize = blockSize;
		this.free = usable;
	}

	match(): number {
		return 0;
	}

	claimMatches(): void {}

	take(sequence: Sequence, count: number): void {
		this.free -= count;
		sequence.capacity += count * this.blockSize;
	}

	cache(): void {}

	release(sequence: Sequence): void {
		this.free += sequence.capacity / this.blockSize;
		sequence.capacity = 0;
	}
}
