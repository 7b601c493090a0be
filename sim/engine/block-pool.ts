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
	/** Puts a 1 at the chain number of every block that can be found, or will be spelt out. */
	markCached(isBorne: Uint8Array): void;
}

/** A pool that a leaping scheduler can use: blocks of many sequences taken at once, settled with each later. */
export interface LeapingBlockPool extends BlockPool {
	/** Takes `count` free blocks for output of quiet sequences. */
	takeQuietly(count: number): void;
	/** Tells a sequence what it took quietly to compute `computed` positions; the full blocks of `hashedTokens` carry a hash. */
	settle(sequence: Sequence, computed: number, hashedTokens: number): void;
	/** Makes all that a sequence holds findable block by block. */
	spellOut(sequence: Sequence): void;
	/** The same for the output that a request left behind. */
	spellOutRun(id: string): void;
}

/** Without prefix caching blocks need no identity: only their number counts. */
export class CountingBlockPool implements LeapingBlockPool {
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

	takeQuietly(count: number): void {
		this.free -= count;
	}

	settle(sequence: Sequence, computed: number): void {
		sequence.capacity = Math.ceil(computed / this.blockSize) * this.blockSize;
	}

	markCached(): void {}

	spellOut(): void {}

	spellOutRun(): void {}

	release(sequence: Sequence): void {
		this.free += sequence.capacity / this.blockSize;
		sequence.capacity = 0;
	}
}
