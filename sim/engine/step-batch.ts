import type { Sequence } from './sequence.ts';

/**
 * What one schedule call decided: the sequences of a step, the tokens granted to each, and the sums that its time depends
 * on. Reused from step to step: read it before it is scheduled into again.
 */
export class StepBatch {
	/** Entries in use of the three lists below. */
	count = 0;
	/** In the order scheduled. */
	readonly sequences: Sequence[] = [];
	readonly granted: Int32Array;
	/** 1 where the step produces a token. */
	readonly yields: Uint8Array;

	/** Tokens of the step. */
	tokens = 0;
	/** Squares of the tokens that each prefilling sequence gets, added up. */
	prefillChunkSquares = 0;
	decodeSequences = 0;
	/** Positions that the decoding sequences attend to, the new one included. */
	decodeContextTokens = 0;

	/** Admitted for the first time, and after a preemption, in order of admission. */
	readonly admitted: Sequence[] = [];
	readonly resumed: Sequence[] = [];
	/** Preempted by the call. */
	readonly preempted: Sequence[] = [];
	/** Sequences whose first output token the step produces. */
	readonly firstTokens: Sequence[] = [];
	/** Ended by the step's output, in the order scheduled; empty until the output is processed. */
	readonly finished: Sequence[] = [];

	constructor(maxNumSeqs: number) {
		this.granted = new Int32Array(maxNumSeqs);
		this.yields = new Uint8Array(maxNumSeqs);
	}

	clear(): void {
		this.count = 0;
		this.tokens = 0;
		this.prefillChunkSquares = 0;
		this.decodeSequences = 0;
		this.decodeContextTokens = 0;
		empty(this.admitted);
		empty(this.resumed);
		empty(this.preempted);
		empty(this.firstTokens);
		empty(this.finished);
	}

	/** Grants `granted` more positions to `sequence` and counts them as computed. */
	add(sequence: Sequence, granted: number, placeholder: number): void {
		const from = sequence.computed;
		const to = from + granted;
		const isLast = to === sequence.tokens + sequence.placeholders;
		sequence.computed = to;
		this.tokens += granted;
		if (from >= sequence.prefillEnd) {
			this.decodeSequences++;
			this.decodeContextTokens += to;
		} else {
			this.prefillChunkSquares += granted * granted;
			if (from < sequence.lostEnd) sequence.recomputedTokens += Math.min(to, sequence.lostEnd) - from;
			if (isLast && to === sequence.promptTokens) this.firstTokens.push(sequence);
		}
		if (isLast) sequence.placeholders += placeholder;
		const index = this.count++;
		this.sequences[index] = sequence;
		this.granted[index] = granted;
		this.yields[index] = isLast ? 1 : 0;
	}

	/**
	 * Grants one token each to the sequences from `running[start]` on, as long as they decode and need nothing else: no block,
	 * no hash, no look at their end. A short cut through `add` for what nearly every entry of nearly every step is.
	 * @param most number of sequences to take at most
	 * @returns number of sequences taken
	 */
	addQuietDecodes(running: readonly Sequence[], start: number, most: number, placeholder: number): number {
		const { sequences, granted, yields } = this;
		const first = this.count;
		const stop = Math.min(running.length - start, most);
		let contextTokens = 0;
		let taken = 0;
		for (; taken < stop; taken++) {
			const sequence = running[start + taken] as Sequence;
			const from = sequence.computed;
			const expected = sequence.tokens + sequence.placeholders;
			if (
				expected - from !== 1 ||
				from < sequence.prefillEnd ||
				from >= sequence.capacity ||
				from + 1 >= sequence.nextHashTokens
			)
				break;
			if (placeholder > 0 && expected >= sequence.foreseenEndTokens) break;
			sequence.computed = from + 1;
			if (placeholder > 0) sequence.placeholders++;
			contextTokens += from + 1;
			const index = first + taken;
			sequences[index] = sequence;
			granted[index] = 1;
			yields[index] = 1;
		}
		this.count = first + taken;
		this.tokens += taken;
		this.decodeSequences += taken;
		this.decodeContextTokens += contextTokens;
		return taken;
	}

	/**
	 * Takes a sequence out again, as if it had not been scheduled (except its placeholder, which preemption resets).
	 * @returns the tokens it had been granted; 0 when it is not in the batch
	 */
	remove(sequence: Sequence): number {
		const index = this.sequences.indexOf(sequence);
		if (index < 0 || index >= this.count) return 0;
		const granted = this.granted[index] as number;
		const to = sequence.computed;
		const from = to - granted;
		sequence.computed = from;
		this.tokens -= granted;
		if (from >= sequence.prefillEnd) {
			this.decodeSequences--;
			this.decodeContextTokens -= to;
		} else {
			this.prefillChunkSquares -= granted * granted;
			if (from < sequence.lostEnd) sequence.recomputedTokens -= Math.min(to, sequence.lostEnd) - from;
			const first = this.firstTokens.indexOf(sequence);
			if (first >= 0) this.firstTokens.splice(first, 1);
		}
		this.sequences.splice(index, 1);
		this.granted.copyWithin(index, index + 1, this.count);
		this.yields.copyWithin(index, index + 1, this.count);
		this.count--;
		return granted;
	}
}

/** Takes everything out of a list that is filled again soon: setting its length would give its memory back too, and costs more than the step. */
export function empty(list: unknown[]): void {
	while (list.length > 0) list.pop();
}
