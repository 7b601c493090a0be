import { assert } from '../domain/errors.ts';
import type { LeapingBlockPool } from './block-pool.ts';
import { chainOf, type Sequence } from './sequence.ts';

/**
 * The prefix cache of `CachingBlockPool` at a cost that does not depend on output lengths. Only what somebody could look up
 * has blocks of its own: the full blocks of prompts, and of all that a sequence knew when it was admitted. Blocks
 * of its output are counted; left behind in the free list they are one run. A run is spelt out into blocks once
 * somebody could look for them: when the sequence is preempted, or a prompt names its output.
 *
 * One free list, taken from the front: hashless blocks (only their number counts), then blocks and runs, least
 * recently used first, a run from its end.
 */
export class RunBlockPool implements LeapingBlockPool {
	readonly blockSize: number;
	readonly usable: number;
	free: number;
	freeMatches = 0;
	/** Free blocks that carry no hash. */
	private hashless: number;

	/** Of a block: sequences that hold it, and its chain number or NONE. */
	private readonly references: Int32Array;
	private readonly hash: Int32Array;
	/** Free list of blocks and runs, a ring through the sentinel at index `usable`. */
	private readonly next: Int32Array;
	private readonly previous: Int32Array;
	/** Copies of one hash, in the order in which they were cached. */
	private readonly laterCopy: Int32Array;
	private readonly earlierCopy: Int32Array;
	/** By chain number. */
	private firstCopy = new Int32Array(1024).fill(NONE);
	/** By first copy. */
	private readonly lastCopy: Int32Array;
	private readonly matched: number[] = [];
	/** Runs by their place in the free list and by the sequence that left them. */
	private readonly runs = new Map<number, Run>();
	private readonly runOf = new Map<string, Run>();
	/** Places that hold no block or run, below the first never used. */
	private readonly idlePlaces: number[] = [];
	private unusedPlace = 0;

	constructor(usable: number, blockSize: number) {
		this.usable = usable;
		this.blockSize = blockSize;
		this.free = usable;
		this.hashless = usable;
		this.references = new Int32Array(usable);
		this.hash = new Int32Array(usable).fill(NONE);
		this.laterCopy = new Int32Array(usable).fill(NONE);
		this.earlierCopy = new Int32Array(usable).fill(NONE);
		this.lastCopy = new Int32Array(usable);
		this.next = new Int32Array(usable + 1).fill(usable);
		this.previous = new Int32Array(usable + 1).fill(usable);
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
			if (this.references[block] === 0) {
				this.unlink(block);
				this.free--;
			}
			this.hold(sequence, block);
		}
		sequence.capacity = count * this.blockSize;
		sequence.hashedBlocks = count;
		sequence.nextHashTokens = (count + 1) * this.blockSize;
	}

	take(sequence: Sequence, count: number): void {
		const ownBlocks = sequence.isNamed
			? Number.POSITIVE_INFINITY
			: Math.floor(sequence.prefillEnd / this.blockSize);
		this.takeQuietly(count);
		sequence.capacity += count * this.blockSize;
		const end = Math.min(sequence.capacity / this.blockSize, ownBlocks);
		while (sequence.blocks.length < end) this.hold(sequence, this.place());
	}

	takeQuietly(count: number): void {
		assert(count <= this.free, 'no free block is left to take');
		this.free -= count;
		let left = count - Math.min(count, this.hashless);
		this.hashless -= count - left;
		while (left > 0) {
			const first = this.next[this.usable] as number;
			if (this.hash[first] !== RUN) {
				this.forget(first);
				this.vacate(first);
				left--;
				continue;
			}
			const run = this.runs.get(first) as Run;
			const taken = Math.min(left, run.count);
			run.count -= taken;
			left -= taken;
			if (run.count === 0) this.dropRun(run);
		}
	}

	cache(sequence: Sequence, knownTokens: number): void {
		this.markHashed(sequence, Math.floor(knownTokens / this.blockSize));
	}

	settle(sequence: Sequence, computed: number, hashedTokens: number): void {
		sequence.capacity = Math.ceil(computed / this.blockSize) * this.blockSize;
		const hashed = Math.floor(hashedTokens / this.blockSize);
		if (hashed > sequence.hashedBlocks) this.markHashed(sequence, hashed);
	}

	release(sequence: Sequence): void {
		if (sequence.isNamed) this.spellOut(sequence);
		const { blocks, hashedBlocks } = sequence;
		const held = sequence.capacity / this.blockSize;
		this.free += held - blocks.length;
		this.hashless += held - Math.max(blocks.length, hashedBlocks);
		// The tail goes first: what many share, the head, is forgotten last.
		if (hashedBlocks > blocks.length) this.leaveRun(sequence, hashedBlocks - blocks.length);
		for (let index = blocks.length - 1; index >= 0; index--) {
			const block = blocks[index] as number;
			const left = (this.references[block] as number) - 1;
			this.references[block] = left;
			if (left > 0) continue;
			this.free++;
			if (this.hash[block] !== NONE) this.link(block, this.usable);
			else {
				this.hashless++;
				this.idlePlaces.push(block);
			}
		}
		blocks.length = 0;
		sequence.capacity = 0;
		sequence.hashedBlocks = 0;
		sequence.nextHashTokens = this.blockSize;
	}

	markCached(isBorne: Uint8Array): void {
		for (const number of this.hash) if (number >= 0) isBorne[number] = 1;
		for (const { owner } of this.runs.values()) chainOf(owner).mark(isBorne);
	}

	spellOut(sequence: Sequence): void {
		const from = sequence.blocks.length;
		const held = sequence.capacity / this.blockSize;
		while (sequence.blocks.length < held) this.hold(sequence, this.place());
		const chain = chainOf(sequence);
		for (let index = from; index < sequence.hashedBlocks; index++)
			this.remember(sequence.blocks[index] as number, chain.number(index));
	}

	spellOutRun(id: string): void {
		const run = this.runOf.get(id);
		if (run === undefined) return;
		const { owner, from, count } = run;
		const after = this.next[run.place] as number;
		this.dropRun(run);
		const chain = chainOf(owner);
		// Its end is taken first.
		for (let index = from + count - 1; index >= from; index--) {
			const block = this.place();
			this.remember(block, chain.number(index));
			this.link(block, after);
		}
	}

	private markHashed(sequence: Sequence, full: number): void {
		const { blocks } = sequence;
		const own = Math.min(full, blocks.length);
		if (sequence.hashedBlocks < own) {
			const chain = chainOf(sequence);
			for (let index = sequence.hashedBlocks; index < own; index++)
				this.remember(blocks[index] as number, chain.number(index));
		}
		sequence.hashedBlocks = full;
		sequence.nextHashTokens = (full + 1) * this.blockSize;
	}

	private hold(sequence: Sequence, block: number): void {
		this.references[block] = (this.references[block] as number) + 1;
		sequence.blocks.push(block);
	}

	/** A place for a block or a run. There are as many as blocks, and each stands for at least one. */
	private place(): number {
		return this.idlePlaces.pop() ?? this.unusedPlace++;
	}

	/** Takes a block or a run out of the free list and gives its place up. */
	private vacate(place: number): void {
		this.unlink(place);
		this.idlePlaces.push(place);
	}

	private leaveRun(owner: Sequence, count: number): void {
		const run: Run = { owner, from: owner.blocks.length, count, place: this.place() };
		this.hash[run.place] = RUN;
		this.runs.set(run.place, run);
		this.runOf.set(owner.id, run);
		this.link(run.place, this.usable);
	}

	private dropRun(run: Run): void {
		this.vacate(run.place);
		this.hash[run.place] = NONE;
		this.runs.delete(run.place);
		if (this.runOf.get(run.owner.id) === run) this.runOf.delete(run.owner.id);
	}

	private unlink(place: number): void {
		const before = this.previous[place] as number;
		const after = this.next[place] as number;
		this.next[before] = after;
		this.previous[after] = before;
	}

	private link(place: number, after: number): void {
		const before = this.previous[after] as number;
		this.next[before] = place;
		this.previous[place] = before;
		this.next[place] = after;
		this.previous[after] = place;
	}

	private growTo(length: number): void {
		const longer = new Int32Array(Math.max(length, 2 * this.firstCopy.length)).fill(NONE);
		longer.set(this.firstCopy);
		this.firstCopy = longer;
	}

	private remember(block: number, hash: number): void {
		if (hash >= this.firstCopy.length) this.growTo(hash + 1);
		const first = this.firstCopy[hash] as number;
		this.hash[block] = hash;
		this.laterCopy[block] = NONE;
		if (first === NONE) {
			this.firstCopy[hash] = block;
			this.lastCopy[block] = block;
			this.earlierCopy[block] = NONE;
			return;
		}
		const last = this.lastCopy[first] as number;
		this.laterCopy[last] = block;
		this.earlierCopy[block] = last;
		this.lastCopy[first] = block;
	}

	private forget(block: number): void {
		const hash = this.hash[block] as number;
		const earlier = this.earlierCopy[block] as number;
		const later = this.laterCopy[block] as number;
		this.hash[block] = NONE;
		if (earlier === NONE) {
			this.firstCopy[hash] = later;
			if (later !== NONE) {
				this.lastCopy[later] = this.lastCopy[block] as number;
				this.earlierCopy[later] = NONE;
			}
			return;
		}
		this.laterCopy[earlier] = later;
		if (later !== NONE) this.earlierCopy[later] = earlier;
		else this.lastCopy[this.firstCopy[hash] as number] = earlier;
	}
}

/** Hashed blocks of an output, in the free list as one: `count` from block `from` of the owner on. */
interface Run {
	readonly owner: Sequence;
	readonly from: number;
	count: number;
	readonly place: number;
}

const NONE = -1;
/** In place of a hash: a run stands here. */
const RUN = -2;
