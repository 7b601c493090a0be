import type { Sequence } from './sequence.ts';

/**
 * Running sequences that decode: each is granted one token in every step, so nothing about them is touched from step to
 * step. What a sequence has computed is `quietBase + steps scheduled`; the sums that a step and its memory depend on follow
 * from the sums over the set. Steps are numbered from 1 in the order scheduled.
 */
export class QuietSet {
	count = 0;
	private readonly blockSize: number;
	private baseSum = 0;
	/** How many take a block in the steps whose number leaves this rest by the block size. */
	private readonly takers: Int32Array;
	/** Binary heap by the step that yields the last token, then order of admission. Who has left stays until it comes up. */
	private readonly ends: Sequence[] = [];

	constructor(blockSize: number) {
		this.blockSize = blockSize;
		this.takers = new Int32Array(blockSize);
	}

	/** Takes in a sequence that has computed all it knows by `step`, the last step scheduled, or will know by its output. */
	add(sequence: Sequence, step: number): void {
		const base = sequence.computed - step;
		sequence.quiet = true;
		sequence.quietBase = base;
		// The step that computes position p yields token p + 1.
		sequence.endStep = sequence.endTokens - 1 - base;
		this.count++;
		this.baseSum += base;
		this.countTaker(base, 1);
		this.push(sequence);
	}

	/** Lets it go; its counts have to be settled by the caller. */
	remove(sequence: Sequence): void {
		sequence.quiet = false;
		this.count--;
		this.baseSum -= sequence.quietBase;
		this.countTaker(sequence.quietBase, -1);
	}

	clear(): void {
		this.count = 0;
		this.baseSum = 0;
		this.takers.fill(0);
		this.ends.length = 0;
	}

	/** Sum of the contexts in a step. */
	contextTokens(step: number): number {
		return this.baseSum + this.count * step;
	}

	/** Blocks taken in the `steps` steps after `step`. */
	blocksTaken(step: number, steps: number): number {
		const { blockSize, takers } = this;
		const rounds = Math.floor(steps / blockSize);
		let blocks = rounds * this.count;
		let residue = step % blockSize;
		for (let rest = steps - rounds * blockSize; rest > 0; rest--) {
			residue = residue + 1 === blockSize ? 0 : residue + 1;
			blocks += takers[residue] as number;
		}
		return blocks;
	}

	/** The most steps after `step` that take no more than `blocks` blocks. */
	stepsWithin(step: number, blocks: number): number {
		if (this.count === 0) return Number.POSITIVE_INFINITY;
		const { blockSize, takers } = this;
		const rounds = Math.floor(blocks / this.count);
		let left = blocks - rounds * this.count;
		let residue = step % blockSize;
		for (let steps = rounds * blockSize; ; steps++) {
			residue = residue + 1 === blockSize ? 0 : residue + 1;
			left -= takers[residue] as number;
			if (left < 0) return steps;
		}
	}

	/** The next step that yields somebody's last token; Infinity when the set is empty. */
	nextEndStep(): number {
		for (let first = this.ends[0]; first !== undefined; first = this.ends[0]) {
			if (first.quiet) return first.endStep;
			this.pop();
		}
		return Number.POSITIVE_INFINITY;
	}

	/** Takes the sequence whose `nextEndStep` it is off the list of ends; it stays in the set. */
	takeNextEnd(): Sequence {
		return this.pop();
	}

	/** A sequence takes a block in the steps that compute the first position of one. */
	private countTaker(base: number, change: 1 | -1): void {
		const rest = (1 - base) % this.blockSize;
		const residue = rest < 0 ? rest + this.blockSize : rest;
		this.takers[residue] = (this.takers[residue] as number) + change;
	}

	private push(sequence: Sequence): void {
		const { ends } = this;
		let index = ends.length;
		while (index > 0) {
			const above = (index - 1) >> 1;
			const parent = ends[above] as Sequence;
			if (endsBefore(parent, sequence)) break;
			ends[index] = parent;
			index = above;
		}
		ends[index] = sequence;
	}

	private pop(): Sequence {
		const { ends } = this;
		const first = ends[0] as Sequence;
		const last = ends.pop() as Sequence;
		const size = ends.length;
		if (size === 0) return first;
		let index = 0;
		for (let below = 1; below < size; below = 2 * index + 1) {
			if (below + 1 < size && endsBefore(ends[below + 1] as Sequence, ends[below] as Sequence)) below++;
			const child = ends[below] as Sequence;
			if (endsBefore(last, child)) break;
			ends[index] = child;
			index = below;
		}
		ends[index] = last;
		return first;
	}
}

function endsBefore(a: Sequence, b: Sequence): boolean {
	return a.endStep < b.endStep || (a.endStep === b.endStep && a.rank < b.rank);
}
