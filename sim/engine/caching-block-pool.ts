import { assert } from '../domain/errors.ts';
import type { BlockPool } from './block-pool.ts';
import { chainOf, type Sequence } from './sequence.ts';

/**
 * Blocks with vLLM's prefix cache. One free list, taken from the front: hashless blocks first, then cached ones, least
 * recently used first. Equal blocks are not merged; a lookup finds the copy that was cached first and still is.
 */
export class CachingBlockPool implements BlockPool {
	readonly blockSize: number;
	readonly usable: number;
	free: number;
	freeMatches = 0;

	private readonly references: Int32Array;
	/** Chain number of a cached block, NONE when it carries no hash. */
	private readonly hash: Int32Array;
	/** Free list, a ring through the sentinel at index `usable`. */
	private readonly next: Int32Array;
	private readonly previous: Int32Array;
	/** Copies of one hash, in the order in which they were cached. */
	private readonly laterCopy: Int32Array;
	private readonly earlierCopy: Int32Array;
	/** By chain number. */
	private readonly firstCopy: number[] = [];
	private readonly lastCopy: number[] = [];
	private readonly matched: number[] = [];

	constructor(usable: number, blockSize: number) {
		this.usable = usable;
		this.blockSize = blockSize;
		this.free = usable;
		this.references = new Int32Array(usable);
		this.hash = new Int32Array(usable).fill(NONE);
		this.laterCopy = new Int32Array(usable).fill(NONE);
		this.earlierCopy = new Int32Array(usable).fill(NONE);
		const ring = usable + 1;
		this.next = Int32Array.from({ length: ring }, (_, block) => (block + 1) % ring);
		this.previous = Int32Array.from({ length: ring }, (_, block) => (block + ring - 1) % ring);
	}

	match(sequence: Sequence): number {
		const { matched } = this;
		const chain = chainOf(sequence);
		const most = Math.floor((sequence.tokens - 1) / this.blockSize);
		matched.length = 0;
		this.freeMatches = 0;
		for (let index = 0; index < most; index++) {
			const block = this.firstCopy[chain.number(index)] ?? NONE;
			if (block === NONE) break;
			matched.push(block);
			if (this.references[block] === 0) this.freeMatches++;
		}
		return matched.length;
	}

	claimMatches(sequence: Sequence, count: number): void {
		for (let index = 0; index < count; index++) {
			const block = this.matched[index] as number;
			if (this.references[block] === 0) this.unlink(block);
			this.hold(sequence, block);
		}
		sequence.hashedBlocks = count;
		sequence.nextHashTokens = (count + 1) * this.blockSize;
	}

	take(sequence: Sequence, count: number): void {
		for (let taken = 0; taken < count; taken++) {
			const block = this.next[this.usable] as number;
			assert(block !== this.usable, 'no free block is left to take');
			this.unlink(block);
			this.forget(block);
			this.hold(sequence, block);
		}
	}

	cache(sequence: Sequence, knownTokens: number): void {
		const chain = chainOf(sequence);
		const full = Math.floor(knownTokens / this.blockSize);
		for (; sequence.hashedBlocks < full; sequence.hashedBlocks++) {
			const index = sequence.hashedBlocks;
			this.remember(sequence.blocks[index] as number, chain.number(index));
		}
		sequence.nextHashTokens = (sequence.hashedBlocks + 1) * this.blockSize;
	}

	release(sequence: Sequence): void {
		const { blocks } = sequence;
		// The tail goes first: what many share, the head, is forgotten last.
		for (let index = blocks.length - 1; index >= 0; index--) {
			const block = blocks[index] as number;
			const left = (this.references[block] as number) - 1;
			this.references[block] = left;
			if (left > 0) continue;
			if (this.hash[block] === NONE) this.link(block, this.usable, this.next[this.usable] as number);
			else this.link(block, this.previous[this.usable] as number, this.usable);
		}
		blocks.length = 0;
		sequence.capacity = 0;
		sequence.hashedBlocks = 0;
		sequence.nextHashTokens = this.blockSize;
	}

	markCached(isBorne: Uint8Array): void {
		for (const number of this.hash) if (number !== NONE) isBorne[number] = 1;
	}

	private hold(sequence: Sequence, block: number): void {
		this.references[block] = (this.references[block] as number) + 1;
		sequence.blocks.push(block);
		sequence.capacity += this.blockSize;
	}

	private unlink(block: number): void {
		const before = this.previous[block] as number;
		const after = this.next[block] as number;
		this.next[before] = after;
		this.previous[after] = before;
		this.free--;
	}

	private link(block: number, before: number, after: number): void {
		this.next[before] = block;
		this.previous[block] = before;
		this.next[block] = after;
		this.previous[after] = block;
		this.free++;
	}

	private remember(block: number, hash: number): void {
		while (this.firstCopy.length <= hash) {
			this.firstCopy.push(NONE);
			this.lastCopy.push(NONE);
		}
		const last = this.lastCopy[hash] as number;
		if (last === NONE) this.firstCopy[hash] = block;
		else this.laterCopy[last] = block;
		this.earlierCopy[block] = last;
		this.laterCopy[block] = NONE;
		this.lastCopy[hash] = block;
		this.hash[block] = hash;
	}

	private forget(block: number): void {
		const hash = this.hash[block] as number;
		if (hash === NONE) return;
		const earlier = this.earlierCopy[block] as number;
		const later = this.laterCopy[block] as number;
		if (earlier === NONE) this.firstCopy[hash] = later;
		else this.laterCopy[earlier] = later;
		if (later === NONE) this.lastCopy[hash] = earlier;
		else this.earlierCopy[later] = earlier;
		this.hash[block] = NONE;
	}
}

const NONE = -1;
