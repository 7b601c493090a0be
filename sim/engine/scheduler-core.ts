import type { EngineRequest } from '../domain/engine.ts';
import type { EngineConfig } from '../domain/model.ts';
import { type BlockPool, CountingBlockPool } from './block-pool.ts';
import { CachingBlockPool } from './caching-block-pool.ts';
import { OpenRequests } from './open-requests.ts';
import { MANY_TOKENS, Sequence } from './sequence.ts';
import type { StepBatch } from './step-batch.ts';
import { TokenChains } from './token-chains.ts';
import { compareUrgency, WaitingQueue } from './waiting-queue.ts';

/**
 * vLLM's V1 scheduler without a clock: `schedule` decides a step, `processOutput` takes its tokens back. Synchronous
 * scheduling alternates the two; asynchronous scheduling schedules step k + 1 before it processes the output of step k.
 * Every rule is one of the real scheduler's (vllm/v1/core/sched), checked against recordings of it in test/golden.
 */
export class SchedulerCore {
	/** Preemptions so far. */
	preemptions = 0;
	protected readonly config: EngineConfig;
	protected readonly pool: BlockPool;
	protected readonly running: Sequence[] = [];
	protected readonly waiting: WaitingQueue;
	/** Submitted and not ended. */
	protected readonly open: OpenRequests;
	/** What a last chunk adds while its output is on the way: 1 under asynchronous scheduling. */
	protected readonly placeholder: 0 | 1;
	private readonly chains: TokenChains | null;
	private readonly watermarkBlocks: number;
	private submitted = 0;

	/**
	 * @param pool holds the blocks; the obvious one for the configuration when not given
	 * @param isIndexed notice a double id at once; else requests may stay unread until it is their turn, or somebody asks for an id
	 * @param chains numbers of blocks, used with prefix caching only
	 */
	constructor(
		config: EngineConfig,
		pool: BlockPool = blockPool(config),
		isIndexed = true,
		chains: TokenChains = new TokenChains(config.blockSize),
	) {
		this.config = config;
		this.pool = pool;
		this.chains = config.prefixCaching ? chains : null;
		this.waiting = new WaitingQueue(config.policy, (request) => this.sequence(request, 0));
		this.open = new OpenRequests(isIndexed, () => this.everybody());
		this.watermarkBlocks = Math.floor(config.watermark * config.numGpuBlocks);
		this.placeholder = config.asyncScheduling ? 1 : 0;
	}

	get runningCount(): number {
		return this.running.length;
	}

	get waitingCount(): number {
		return this.waiting.size;
	}

	/** Requests submitted and not ended. */
	get openCount(): number {
		return this.open.size;
	}

	get usableBlocks(): number {
		return this.pool.usable;
	}

	get usedBlocks(): number {
		return this.pool.usable - this.pool.free;
	}

	/** @param arrival time or step, never decreasing: orders equal priorities */
	submit(request: EngineRequest, arrival: number): void {
		if (!this.open.isIndexed && this.chains === null && this.config.policy === 'fcfs') {
			this.open.addUnread();
			this.waiting.addUnread(request);
			return;
		}
		if (this.chains?.isCrowded) this.chains.forget((isBorne) => this.markBorne(isBorne));
		const sequence = this.sequence(request, arrival);
		this.open.add(sequence);
		this.waiting.add(sequence);
	}

	/**
	 * Ends a request and frees its blocks at once; what a step in flight still produces for it is ignored.
	 * @returns output tokens it had produced; undefined when it is unknown or has ended
	 */
	abort(id: string): number | undefined {
		const sequence = this.open.get(id);
		if (sequence === undefined) return undefined;
		if (sequence.state === 'running') this.running.splice(this.running.indexOf(sequence), 1);
		this.end(sequence);
		return sequence.outputTokens;
	}

	/** @returns output tokens that a request has produced; undefined when it is unknown or has ended */
	outputTokens(id: string): number | undefined {
		return this.open.get(id)?.outputTokens;
	}

	/** Decides the next step into `batch`. A batch without tokens is no step; it may still have preempted. */
	schedule(batch: StepBatch): void {
		batch.clear();
		const mostTokens = this.mostTokens();
		this.scheduleRunning(batch, mostTokens);
		if (batch.preempted.length === 0) this.admitWaiting(batch, mostTokens);
	}

	/** Hands out the tokens of a step that has run, oldest step first, and ends the sequences that are complete. */
	processOutput(batch: StepBatch): void {
		const { count, sequences, yields, finished } = batch;
		for (let index = 0; index < count; index++) {
			if (yields[index] === 0) continue;
			const sequence = sequences[index] as Sequence;
			if (sequence.state === 'ended') continue;
			// A preempted sequence has no placeholder left, but keeps the token that was on its way.
			if (sequence.placeholders > 0) {
				sequence.placeholders--;
				const settled = sequence.computed - sequence.placeholders;
				sequence.tokens++;
				if (settled >= sequence.nextHashTokens) this.pool.cache(sequence, settled);
			} else sequence.tokens++;
			if (sequence.tokens === sequence.endTokens) {
				this.end(sequence);
				finished.push(sequence);
			}
		}
		if (finished.length > 0) this.compactRunning();
	}

	/** Whom the call that filled `batch` granted how many tokens, in the order scheduled. */
	entries({ count, sequences, granted }: StepBatch): [Sequence, number][] {
		return sequences.slice(0, count).map((sequence, index) => [sequence, granted[index] as number]);
	}

	/** Whether the output of a step, the oldest in flight, ends somebody. */
	endsSome({ count, sequences, yields }: StepBatch): boolean {
		for (let index = 0; index < count; index++) {
			const sequence = sequences[index] as Sequence;
			if (yields[index] === 1 && sequence.tokens + 1 === sequence.endTokens && sequence.state !== 'ended')
				return true;
		}
		return false;
	}

	/** Most tokens that one sequence may get in the next call. */
	protected mostTokens(): number {
		const { longPrefillTokenThreshold } = this.config;
		const alone = this.runningCount + this.waiting.size <= 1;
		return longPrefillTokenThreshold > 0 && !alone ? longPrefillTokenThreshold : MANY_TOKENS;
	}

	private sequence(request: EngineRequest, arrival: number): Sequence {
		const chain = this.chains === null ? null : this.chains.chain(request);
		return new Sequence(request, this.submitted++, arrival, this.config.maxModelLen, chain);
	}

	/** Submitted and not ended. */
	private everybody(): readonly Sequence[] {
		return [...this.running, ...this.waiting.all()].filter(({ state }) => state !== 'ended');
	}

	private markBorne(isBorne: Uint8Array): void {
		this.pool.markCached(isBorne);
		for (const { chain } of this.everybody()) chain?.mark(isBorne);
	}

	private scheduleRunning(batch: StepBatch, mostTokens: number): void {
		const { running, placeholder } = this;
		let budget = this.config.maxNumBatchedTokens;
		for (let index = 0; index < running.length && budget > 0; ) {
			const decodes = batch.addQuietDecodes(running, index, budget, placeholder);
			index += decodes;
			budget -= decodes;
			if (index === running.length || budget === 0) return;
			const sequence = running[index] as Sequence;
			const expected = sequence.tokens + sequence.placeholders;
			index++;
			// Its last output is on the way already.
			if (sequence.placeholders > 0 && expected >= sequence.foreseenEndTokens) continue;
			const { computed } = sequence;
			let granted = expected - computed;
			if (granted > mostTokens) granted = mostTokens;
			if (granted > budget) granted = budget;
			if (granted === 0) continue;
			const end = computed + granted;
			while (end > sequence.capacity) {
				const missing = Math.ceil((end - sequence.capacity) / this.pool.blockSize);
				if (missing <= this.pool.free) {
					this.pool.take(sequence, missing);
					break;
				}
				const victim = this.victim();
				const refund = batch.remove(victim);
				// Under priority the victim may have stood before the one at hand, scheduled in this step or passed over.
				if (running.indexOf(victim) < index - 1) index--;
				budget += refund;
				this.preempt(victim, batch);
				if (victim === sequence) return;
			}
			if (end >= sequence.nextHashTokens) this.pool.cache(sequence, Math.min(end, sequence.tokens));
			batch.add(sequence, granted, placeholder);
			budget -= granted;
		}
	}

	protected admitWaiting(batch: StepBatch, mostTokens: number): void {
		const { config, pool, running, waiting } = this;
		let budget = config.maxNumBatchedTokens - batch.tokens;
		while (budget > 0 && this.runningCount < config.maxNumSeqs) {
			const sequence = waiting.peek();
			if (sequence === undefined) return;
			const hits = pool.match(sequence);
			const hitTokens = hits * pool.blockSize;
			const granted = Math.min(sequence.tokens - hitTokens, mostTokens, budget);
			if (!this.fits(sequence, hits, granted)) return;
			const end = hitTokens + granted;
			waiting.shift();
			running.push(sequence);
			sequence.state = 'running';
			sequence.computed = hitTokens;
			sequence.hitTokens = hitTokens;
			sequence.prefillEnd = sequence.tokens;
			pool.claimMatches(sequence, hits);
			pool.take(sequence, Math.ceil(end / pool.blockSize) - hits);
			if (end >= sequence.nextHashTokens) pool.cache(sequence, end);
			if (sequence.preemptions > 0) batch.resumed.push(sequence);
			else {
				sequence.cachedPromptTokens = hitTokens;
				batch.admitted.push(sequence);
			}
			batch.add(sequence, granted, this.placeholder);
			budget -= granted;
		}
	}

	/** Whether there is room to admit a sequence, right after it was matched. */
	protected fits(sequence: Sequence, hits: number, granted: number): boolean {
		const { pool } = this;
		const room = pool.free - pool.freeMatches - (this.runningCount > 0 ? this.watermarkBlocks : 0);
		if (Math.ceil(granted / pool.blockSize) > room) return false;
		return !this.config.reserveFullIsl || Math.ceil(sequence.tokens / pool.blockSize) - hits <= room;
	}

	/** Whom a sequence without room displaces: the last admitted, or the least urgent under the priority policy. */
	private victim(): Sequence {
		const { running } = this;
		let victim = running.at(-1) as Sequence;
		if (this.config.policy === 'priority')
			for (const sequence of running) if (compareUrgency(sequence, victim) > 0) victim = sequence;
		return victim;
	}

	protected preempt(victim: Sequence, batch: StepBatch): void {
		this.running.splice(this.running.lastIndexOf(victim), 1);
		this.pool.release(victim);
		victim.lostEnd = Math.max(victim.lostEnd, victim.computed);
		victim.computed = 0;
		victim.placeholders = 0;
		victim.preemptions++;
		victim.state = 'waiting';
		this.preemptions++;
		batch.preempted.push(victim);
		this.waiting.putBack(victim);
	}

	protected end(sequence: Sequence): void {
		if (sequence.state === 'waiting') this.waiting.remove(sequence);
		this.pool.release(sequence);
		sequence.state = 'ended';
		this.open.delete(sequence);
	}

	protected compactRunning(): void {
		const { running } = this;
		let kept = 0;
		for (let index = 0; index < running.length; index++) {
			const sequence = running[index] as Sequence;
			if (sequence.state === 'running') running[kept++] = sequence;
		}
		running.length = kept;
	}
}

function blockPool({ prefixCaching, numGpuBlocks, blockSize }: EngineConfig): BlockPool {
	const usable = numGpuBlocks - 1;
	return prefixCaching ? new CachingBlockPool(usable, blockSize) : new CountingBlockPool(usable, blockSize);
}
