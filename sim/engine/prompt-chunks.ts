import type { Sequence } from './sequence.ts';

/** Running sequences whose prompts are not computed yet, in order of admission, and what the next calls grant them. */
export class PromptChunks {
	readonly sequences: Sequence[] = [];
	/** Tokens for each in the next call. */
	readonly grants: number[] = [];
	/** Sum of the grants, of their squares, and how many get any. */
	tokens = 0;
	squares = 0;
	granted = 0;
	private readonly blockSize: number;

	constructor(blockSize: number) {
		this.blockSize = blockSize;
	}

	clear(): void {
		this.sequences.length = 0;
	}

	drop(sequence: Sequence): void {
		const index = this.sequences.indexOf(sequence);
		if (index >= 0) this.sequences.splice(index, 1);
	}

	/**
	 * Works out the grants of the next call.
	 * @param budget tokens that the decoding sequences leave
	 * @param last who stands last among the running: it may get less than it wants without taking from others
	 * @returns false when the budget does not reach everybody
	 */
	grant(budget: number, mostTokens: number, last: Sequence | undefined): boolean {
		const { sequences, grants } = this;
		this.tokens = 0;
		this.squares = 0;
		this.granted = 0;
		if (sequences.length === 0) return true;
		grants.length = sequences.length;
		for (let index = 0; index < sequences.length; index++) {
			const { tokens, placeholders, computed } = sequences[index] as Sequence;
			const grant = Math.min(tokens + placeholders - computed, mostTokens);
			grants[index] = grant;
			this.tokens += grant;
			this.squares += grant * grant;
		}
		this.granted = sequences.length;
		if (this.tokens <= budget) return true;
		if (sequences.length > 1 || last !== sequences[0]) return false;
		this.tokens = budget;
		this.squares = budget * budget;
		this.granted = budget > 0 ? 1 : 0;
		grants[0] = budget;
		return true;
	}

	/** Calls with these grants that complete no prompt. */
	stepsBeforeComplete(): number {
		let steps = Number.POSITIVE_INFINITY;
		for (let index = 0; index < this.sequences.length; index++) {
			const { tokens, computed } = this.sequences[index] as Sequence;
			steps = Math.min(steps, Math.ceil((tokens - computed) / (this.grants[index] as number)) - 1);
		}
		return steps;
	}

	/** Blocks that the next `steps` calls with these grants take. */
	blocksTaken(steps: number): number {
		let blocks = 0;
		for (let index = 0; index < this.sequences.length; index++) {
			const { computed, capacity } = this.sequences[index] as Sequence;
			const end = computed + steps * (this.grants[index] as number);
			if (end > capacity) blocks += Math.ceil((end - capacity) / this.blockSize);
		}
		return blocks;
	}
}
