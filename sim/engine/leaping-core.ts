import type { EngineRequest } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';
import type { EngineConfig } from '../domain/model.ts';
import { CountingBlockPool, type LeapingBlockPool } from './block-pool.ts';
import { NamedOutputs } from './named-outputs.ts';
import { PromptChunks } from './prompt-chunks.ts';
import { QuietSet } from './quiet-set.ts';
import { RunBlockPool } from './run-block-pool.ts';
import { SchedulerCore } from './scheduler-core.ts';
import type { Sequence } from './sequence.ts';
import { empty, type StepBatch } from './step-batch.ts';
import type { StepLoad } from './step-time.ts';
import type { TokenChains } from './token-chains.ts';

/** The first of some equal steps: what its time depends on; in each following one every decoding context is one longer. */
export interface Leap {
	readonly steps: number;
	readonly load: StepLoad;
}

/**
 * The scheduler, skipping what does not change. Sequences that only decode stand in a `QuietSet`, so that a call costs what
 * happens in it, not what runs; and `planLeap` foresees how many calls will grant the same to everybody, so that
 * `leap` carries them out at once.
 *
 * What is not foreseen is decided by the ordinary scheduler, call by call, after the counts of all sequences are written out
 * (`writeOut`): a call for which memory runs short (it preempts), one whose budget does not reach everybody (prompts
 * with a chunk limit before decoding sequences), and with prefix caching all calls while a request runs whose output another
 * prompt names, since those blocks can be looked up as they are made.
 */
export class LeapingCore extends SchedulerCore {
	private readonly leapingPool: LeapingBlockPool;
	private readonly quiet: QuietSet;
	/** Running and not quiet. */
	private readonly chunks: PromptChunks;
	/** Quiet until the call after their last step; their last output is on the way (asynchronous scheduling only). */
	private readonly ending: Sequence[] = [];
	/** Whether sequences are in the quiet set, or all written out. */
	private settled = false;
	/** How many of `running` have ended: they are taken out now and then, so that an end costs O(1). None when settled. */
	private goneCount = 0;
	private nextRank = 0;
	/** Calls that scheduled something, and those of them whose output was processed. */
	private scheduledSteps = 0;
	private processedSteps = 0;
	private lastBatch: StepBatch | null = null;
	/** With their blocks looked up as they are made, every step counts: while they run, nothing is leapt over. */
	private readonly named = new NamedOutputs();
	/** How many it counts without an entry. */
	private quietDecodes = 0;

	constructor(config: EngineConfig, chains?: TokenChains) {
		const usable = config.numGpuBlocks - 1;
		const pool = config.prefixCaching
			? new RunBlockPool(usable, config.blockSize)
			: new CountingBlockPool(usable, config.blockSize);
		super(config, pool, false, chains);
		this.leapingPool = pool;
		this.quiet = new QuietSet(config.blockSize);
		this.chunks = new PromptChunks(config.blockSize);
	}

	override get runningCount(): number {
		return this.running.length - this.goneCount;
	}

	/** Whether a request submitted now changes no call before something else does. */
	get newcomersOnlyWait(): boolean {
		const { config, runningCount, waiting } = this;
		const knowsCompany = config.longPrefillTokenThreshold === 0 || runningCount + waiting.size > 1;
		const isBehind = config.policy === 'fcfs' && waiting.size > 0;
		return knowsCompany && (isBehind || runningCount >= config.maxNumSeqs);
	}

	override submit(request: EngineRequest, arrival: number): void {
		super.submit(request, arrival);
		if (!this.config.prefixCaching) return;
		for (const id of this.named.read(request)) {
			this.leapingPool.spellOutRun(id);
			this.named.mark(this.open.get(id));
		}
		if (this.named.has(request.id)) this.named.mark(this.open.get(request.id));
	}

	override abort(id: string): number | undefined {
		const sequence = this.open.get(id);
		if (sequence?.state === 'running' && !this.settled) {
			if (sequence.quiet) this.leaveQuiet(sequence, this.scheduledSteps);
			this.chunks.drop(sequence);
			const index = this.ending.indexOf(sequence);
			if (index >= 0) this.ending.splice(index, 1);
		}
		return super.abort(id);
	}

	/** @param steps of the leap just planned, as if they had been carried out */
	override outputTokens(id: string, steps = 0): number | undefined {
		const sequence = this.open.get(id);
		if (sequence === undefined) return undefined;
		return (sequence.quiet ? this.quietTokens(sequence, steps) : sequence.tokens) - sequence.promptTokens;
	}

	override schedule(batch: StepBatch): void {
		const named = this.named.running();
		if (named.length > 0) this.writeOut();
		else if (this.settled) this.calmDown();
		for (const sequence of named) this.leapingPool.spellOut(sequence);
		if (this.settled || !this.scheduleQuietly(batch)) {
			this.writeOut();
			super.schedule(batch);
		}
		if (batch.count === 0) return;
		this.scheduledSteps++;
		this.lastBatch = batch;
	}

	override processOutput(batch: StepBatch): void {
		const step = ++this.processedSteps;
		if (this.settled) {
			super.processOutput(batch);
			return;
		}
		const { quiet, ending } = this;
		while (quiet.nextEndStep() === step) ending.push(quiet.takeNextEnd());
		if (ending.length === 0) return;
		for (const sequence of ending) {
			if (sequence.quiet) this.leaveQuiet(sequence, this.scheduledSteps);
			else this.leapingPool.settle(sequence, sequence.computed, sequence.endTokens - 1);
			sequence.tokens = sequence.endTokens;
			this.end(sequence);
			batch.finished.push(sequence);
		}
		this.goneCount += ending.length;
		if (this.goneCount > this.running.length >> 1) this.compactRunning();
		empty(ending);
	}

	override endsSome(batch: StepBatch): boolean {
		if (this.settled) return super.endsSome(batch);
		return this.ending.length > 0 || this.quiet.nextEndStep() === this.processedSteps + 1;
	}

	/**
	 * How many of the next calls grant the same to everybody while nothing happens: nobody ends, is admitted or preempted,
	 * no prompt is complete. Asked when a call is due.
	 * @returns null when it is not even one
	 */
	planLeap(most: number): Leap | null {
		// A block that they fill may be the one that the head of the queue needs to find.
		if (this.named.running().length > 0) return null;
		if (this.settled) this.calmDown();
		const { quiet, chunks, scheduledSteps, processedSteps, placeholder } = this;
		const isInStride = scheduledSteps - processedSteps === placeholder;
		if (!isInStride || quiet.count + chunks.sequences.length === 0) return null;
		// The call after a last step already differs when calls run ahead of outputs; else the output of that step does.
		let steps = Math.min(most, quiet.nextEndStep() - scheduledSteps - (1 - placeholder));
		if (steps < 1) return null;
		if (!this.grantChunks()) return null;
		const room = this.roomToLeap();
		if (room < 0) return null;
		steps = Math.min(steps, quiet.stepsWithin(scheduledSteps, room), chunks.stepsBeforeComplete());
		if (chunks.granted > 0) steps = this.stepsWithinRoom(steps, room);
		if (steps < 1) return null;
		const load = {
			count: quiet.count + chunks.granted,
			tokens: quiet.count + chunks.tokens,
			prefillChunkSquares: chunks.squares,
			decodeSequences: quiet.count,
			decodeContextTokens: quiet.contextTokens(scheduledSteps + 1),
		};
		return { steps, load };
	}

	/** Carries out the first `steps` calls of the leap just planned, and processes as many outputs. */
	leap(steps: number): void {
		const { quiet, leapingPool } = this;
		const { sequences, grants } = this.chunks;
		leapingPool.takeQuietly(quiet.blocksTaken(this.scheduledSteps, steps));
		// Prompts that share blocks must leave them in the cache in the order of the steps.
		const stride = this.config.prefixCaching && sequences.length > 1 ? 1 : steps;
		for (let done = 0; done < steps && sequences.length > 0; done += stride)
			for (let index = 0; index < sequences.length; index++)
				this.advanceChunk(sequences[index] as Sequence, stride * (grants[index] as number));
		this.scheduledSteps += steps;
		this.processedSteps += steps;
	}

	/** Blocks in use after the first `steps` calls of the leap just planned. */
	usedBlocksAfter(steps: number): number {
		return this.usedBlocks + this.blocksTaken(steps);
	}

	/** Whom each call of the leap just planned grants how many tokens, in the order scheduled. */
	leapEntries(): [Sequence, number][] {
		const { sequences, grants } = this.chunks;
		return this.entriesWith(new Map(sequences.map((sequence, index) => [sequence, grants[index] as number])));
	}

	override entries(batch: StepBatch): [Sequence, number][] {
		if (this.settled) return super.entries(batch);
		const { sequences, granted } = batch;
		const explicit = sequences.slice(0, batch.count - this.quietDecodes);
		return this.entriesWith(new Map(explicit.map((sequence, index) => [sequence, granted[index] as number])));
	}

	/** @returns false when memory or budget do not suffice for everybody: nothing is decided then */
	private scheduleQuietly(batch: StepBatch): boolean {
		batch.clear();
		const { quiet, chunks, ending, leapingPool } = this;
		const step = this.scheduledSteps + 1;
		const mostTokens = this.mostTokens();
		while (this.placeholder > 0 && quiet.nextEndStep() < step) {
			const sequence = quiet.takeNextEnd();
			ending.push(sequence);
			// A stop token is not foreseen: that sequence gets a vain slot.
			if (sequence.endTokens >= sequence.foreseenEndTokens) this.leaveQuiet(sequence, step - 1);
		}
		if (!this.grantChunks() || this.blocksTaken(1) > leapingPool.free) return false;

		leapingPool.takeQuietly(quiet.blocksTaken(step - 1, 1));
		const decodes = quiet.count;
		batch.tokens = decodes;
		batch.decodeSequences = decodes;
		batch.decodeContextTokens = quiet.contextTokens(step);
		const { sequences, grants } = chunks;
		for (let index = 0; index < sequences.length; index++) {
			const sequence = sequences[index] as Sequence;
			const grant = grants[index] as number;
			if (grant === 0) continue;
			this.makeRoom(sequence, sequence.computed + grant);
			batch.add(sequence, grant, this.placeholder);
		}
		const resumedChunks = batch.count;
		this.admitWaiting(batch, mostTokens);
		for (let index = 0; index < batch.count; index++) {
			const sequence = batch.sequences[index] as Sequence;
			const isNew = index >= resumedChunks;
			if (isNew) sequence.rank = this.nextRank++;
			if (batch.yields[index] === 1) {
				if (!isNew) chunks.drop(sequence);
				quiet.add(sequence, step);
			} else if (isNew) sequences.push(sequence);
		}
		batch.count += decodes;
		this.quietDecodes = decodes;
		return true;
	}

	/** @returns false when the budget of the next call does not reach everybody */
	private grantChunks(): boolean {
		const budget = this.config.maxNumBatchedTokens - this.quiet.count;
		return budget >= 0 && this.chunks.grant(budget, this.mostTokens(), this.lastRunning());
	}

	/**
	 * Blocks that may be taken before somebody waiting could be admitted; negative when somebody can be now.
	 *
	 * Taking blocks never lets a head in that does not fit. Whoever holds a cached block holds the one before it too, and lets go of it
	 * later, so a block taken from the front of the free list leaves some copy of every block that precedes a cached one: the
	 * head's hits change at their end only, by the block taken at most, which leaves the room beside them (free less found among the
	 * free) as it was; otherwise the room shrinks. What it has to compute never shrinks.
	 */
	private roomToLeap(): number {
		const { config, runningCount, waiting, leapingPool, quiet, chunks } = this;
		const head = waiting.peek();
		const budget = config.maxNumBatchedTokens - quiet.count - chunks.tokens;
		if (head === undefined || budget === 0 || runningCount >= config.maxNumSeqs) return leapingPool.free;
		const hits = leapingPool.match(head);
		const granted = Math.min(head.tokens - hits * leapingPool.blockSize, this.mostTokens(), budget);
		if (this.fits(head, hits, granted)) return -1;
		// What the prompts of others leave in the cache may let it in.
		return config.prefixCaching && chunks.sequences.length > 0 ? -1 : leapingPool.free;
	}

	/** Blocks that the next `steps` calls take. */
	private blocksTaken(steps: number): number {
		return this.quiet.blocksTaken(this.scheduledSteps, steps) + this.chunks.blocksTaken(steps);
	}

	/** The most of `steps` calls that take no more than `room` blocks. */
	private stepsWithinRoom(steps: number, room: number): number {
		let enough = 0;
		for (let tooMany = steps + 1; tooMany - enough > 1; ) {
			const middle = (enough + tooMany) >> 1;
			if (this.blocksTaken(middle) <= room) enough = middle;
			else tooMany = middle;
		}
		return enough;
	}

	private advanceChunk(sequence: Sequence, granted: number): void {
		if (granted === 0) return;
		const from = sequence.computed;
		const to = from + granted;
		this.makeRoom(sequence, to);
		sequence.computed = to;
		sequence.recomputedTokens += Math.max(0, Math.min(to, sequence.lostEnd) - from);
	}

	/** Blocks for the positions of a prompt below `end`. */
	private makeRoom(sequence: Sequence, end: number): void {
		const { pool } = this;
		if (end > sequence.capacity) pool.take(sequence, Math.ceil((end - sequence.capacity) / pool.blockSize));
		if (end >= sequence.nextHashTokens) pool.cache(sequence, Math.min(end, sequence.tokens));
	}

	/** Prompt and outputs of a quiet sequence after `steps` more outputs: the step that computes position p yields token p + 1. */
	private quietTokens({ tokens, quietBase }: Sequence, steps = 0): number {
		return Math.max(tokens, quietBase + this.processedSteps + steps + 1);
	}

	/** Takes a sequence out of the quiet set, with its own counts as they stand after it was granted `lastStep`. */
	private leaveQuiet(sequence: Sequence, lastStep: number): void {
		this.quiet.remove(sequence);
		const computed = sequence.quietBase + lastStep;
		const tokens = this.quietTokens(sequence);
		sequence.computed = computed;
		sequence.tokens = tokens;
		if (this.placeholder > 0) sequence.placeholders = computed + 1 - tokens;
		// Blocks get their hash in the call that computes or the output that completes their last position.
		this.leapingPool.settle(sequence, computed, Math.max(computed - this.placeholder, tokens - 1));
	}

	/** A preempted sequence looks for what it left behind. */
	protected override preempt(victim: Sequence, batch: StepBatch): void {
		this.leapingPool.spellOut(victim);
		super.preempt(victim, batch);
	}

	protected override compactRunning(): void {
		super.compactRunning();
		this.goneCount = 0;
	}

	/** Gives every sequence its own counts, and the step in flight its entries, for the ordinary scheduler. */
	private writeOut(): void {
		if (this.settled) return;
		this.settled = true;
		this.compactRunning();
		const { quiet, ending, running, lastBatch } = this;
		const inFlight = this.scheduledSteps > this.processedSteps ? lastBatch : null;
		if (inFlight !== null) inFlight.count = 0;
		for (const sequence of running) {
			const isEnding = !sequence.quiet && ending.includes(sequence);
			if (!sequence.quiet && !isEnding) continue;
			if (sequence.quiet) this.leaveQuiet(sequence, this.scheduledSteps);
			if (inFlight === null) continue;
			const index = inFlight.count++;
			inFlight.sequences[index] = sequence;
			inFlight.granted[index] = 1;
			inFlight.yields[index] = 1;
		}
		quiet.clear();
		ending.length = 0;
		this.chunks.clear();
	}

	/** Takes the running sequences back into the quiet set, once each that decodes has its token of the last step. */
	private calmDown(): void {
		const { quiet, chunks, running, lastBatch, placeholder, scheduledSteps } = this;
		const inFlight = scheduledSteps > this.processedSteps;
		this.settled = false;
		this.nextRank = 0;
		for (const sequence of running) {
			sequence.rank = this.nextRank++;
			const left = sequence.tokens + sequence.placeholders - sequence.computed;
			const decodes =
				placeholder > 0 ? sequence.placeholders > 0 : left === 1 && sequence.computed >= sequence.prefillEnd;
			if (decodes) {
				if (left !== 1) assert(false, `${sequence.id} decodes with ${left} positions to compute`);
				quiet.add(sequence, scheduledSteps);
			} else chunks.sequences.push(sequence);
		}
		if (inFlight && lastBatch !== null) lastBatch.count = 0;
	}

	private entriesWith(grants: ReadonlyMap<Sequence, number>): [Sequence, number][] {
		return this.running
			.map((sequence): [Sequence, number] => [sequence, grants.get(sequence) ?? (sequence.quiet ? 1 : 0)])
			.filter(([, grant]) => grant > 0);
	}

	/** Who was admitted last of those who run. */
	private lastRunning(): Sequence | undefined {
		const { running } = this;
		for (; running.at(-1)?.state === 'ended'; this.goneCount--) running.pop();
		return running.at(-1);
	}
}
