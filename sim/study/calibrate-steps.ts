import { UsageError } from '../domain/errors.ts';
import type { MeasuredCall, MeasuredRun, MeasuredStep } from '../domain/measured-run.ts';

/** What a measured step held, with what its log line leaves out. */
export interface StepLoad {
	/** Of the whole step, without host. Microseconds. */
	readonly modelUs: number;
	readonly sequences: number;
	/** Prompt tokens, and those of preempted requests that are computed again. */
	readonly prefillTokens: number;
	readonly decodeSequences: number;
	/** Positions that the decoding sequences attend to, their new one included. */
	readonly decodeContextTokens: number;
	/** Positions that each prefilled token attends to, added up over the tokens: what attention really computes. */
	readonly prefillAttentionPairs: number;
	/** Squares of the tokens that each prefilling request got, added up: attention within the chunks alone. */
	readonly prefillChunkSquares: number;
	/** Requests preempted just before it, and tokens that it computes again. */
	readonly preempted: number;
	readonly recomputedTokens: number;
	/** Requests whose first output token it produces. */
	readonly firstTokens: number;
}

/**
 * Works out what every step of a recording held. A log line counts requests and tokens; which requests they were follows
 * from the rules of the scheduler under `fcfs` (admission in order of arrival, preemption from the tail, the preempted back
 * first) and the recorded lengths.
 * @throws UsageError E_MEASURED_RUN when iterations and calls of the run contradict each other
 */
export function stepLoads(run: MeasuredRun): readonly StepLoad[] {
	try {
		return readSteps(run, ({ sentUs }) => sentUs);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		// Calls sent within the same millisecond may reach the engine in another order; first tokens show which.
		try {
			return readSteps(run, ({ firstTokenUs }) => firstTokenUs);
		} catch {
			throw error;
		}
	}
}

/** @param arrivalOf orders the calls as they reached the engine */
function readSteps(run: MeasuredRun, arrivalOf: (call: MeasuredCall) => number): readonly StepLoad[] {
	const reader = new StepReader(run, arrivalOf);
	const loads = run.steps.map((step, index) => reader.read(step, index));
	reader.checkEnd();
	return loads;
}

/** A request on its way through the engine. */
interface Progress {
	readonly call: MeasuredCall;
	/** Prompt and outputs so far. */
	tokens: number;
	computed: number;
	/** `tokens` when it was last admitted: up to there it prefills. */
	prefillEnd: number;
	/** How much of it the cache holds after a preemption is not in the log. */
	hitsUnknown: boolean;
	/** It got what a request with unknown hits left of a step: how much that was is a guess until its prefill ends. */
	isGuessed: boolean;
}

class StepReader {
	private readonly run: MeasuredRun;
	/** Not running: the preempted, then those not seen yet. */
	private readonly queue: Progress[];
	private running: Progress[] = [];

	constructor(run: MeasuredRun, arrivalOf: (call: MeasuredCall) => number) {
		this.run = run;
		this.queue = run.calls
			.map((call) => ({
				call,
				tokens: call.promptTokens,
				computed: 0,
				prefillEnd: 0,
				hitsUnknown: false,
				isGuessed: false,
			}))
			.sort((a, b) => arrivalOf(a.call) - arrivalOf(b.call));
	}

	read(step: MeasuredStep, index: number): StepLoad {
		const preempted = this.preemptDown(step);
		const decoding = this.running.filter(isDecoding);
		let decodeContextTokens = 0;
		for (const each of decoding) decodeContextTokens += ++each.computed;

		const isSound = this.admit(step.prefillSequences, step.decodeSequences - decoding.length);
		if (!isSound) throw this.contradiction(index);
		const again = this.prefilling(true);
		const fresh = this.prefilling(false);
		const againTokens = step.decodeTokens - decoding.length;
		const budgetLeft = this.run.config.maxNumBatchedTokens - step.prefillTokens - step.decodeTokens;
		const grants = [
			...this.grant(again, againTokens, budgetLeft === 0 && fresh.length === 0, index),
			...this.grant(fresh, step.prefillTokens, budgetLeft === 0, index),
		];
		return {
			modelUs: step.modelUs,
			sequences: decoding.length + grants.length,
			prefillTokens: step.prefillTokens + againTokens,
			decodeSequences: decoding.length,
			decodeContextTokens,
			prefillAttentionPairs: grants.reduce(
				(sum, { from, tokens }) => sum + tokens * from + (tokens * (tokens + 1)) / 2,
				0,
			),
			prefillChunkSquares: grants.reduce((sum, { tokens }) => sum + tokens * tokens, 0),
			preempted,
			recomputedTokens: againTokens,
			firstTokens: this.yieldTokens(),
		};
	}

	checkEnd(): void {
		const left = this.queue.length + this.running.length;
		if (left > 0) throw this.contradiction(this.run.steps.length - 1);
	}

	/** Whoever cannot be in the step any more was preempted, the last admitted first. @returns how many */
	private preemptDown(step: MeasuredStep): number {
		let count = 0;
		while (
			this.running.filter(isDecoding).length + this.prefilling(true).length > step.decodeSequences ||
			this.prefilling(false).length > step.prefillSequences
		) {
			const victim = this.running.pop() as Progress;
			victim.computed = 0;
			victim.hitsUnknown = true;
			victim.isGuessed = false;
			this.queue.unshift(victim);
			count++;
		}
		return count;
	}

	/** Running requests that are not through with their prefill, with or without outputs: the log counts them apart. */
	private prefilling(haveOutputs: boolean): Progress[] {
		return this.running.filter((each) => !isDecoding(each) && hasOutputs(each) === haveOutputs);
	}

	/** Takes requests from the head of the queue until as many prefill as the log says. @returns whether that was possible */
	private admit(freshCount: number, againCount: number): boolean {
		let missingFresh = freshCount - this.prefilling(false).length;
		let missingAgain = againCount - this.prefilling(true).length;
		while (missingFresh > 0 || missingAgain > 0) {
			const head = this.queue.shift();
			if (head === undefined) return false;
			if (hasOutputs(head)) missingAgain--;
			else missingFresh--;
			head.prefillEnd = head.tokens;
			head.computed = head.hitsUnknown ? 0 : head.call.cachedPromptTokens;
			this.running.push(head);
		}
		return missingFresh === 0 && missingAgain === 0;
	}

	/** Deals the tokens of a step to the prefilling requests, in order; only the last may get a part. */
	private grant(
		requests: readonly Progress[],
		tokens: number,
		mayCutLast: boolean,
		index: number,
	): readonly { readonly from: number; readonly tokens: number }[] {
		if (!mayCutLast) this.settleUnknown(requests, tokens);
		const isGuess = requests.some((each) => each.hitsUnknown || each.isGuessed);
		let left = tokens;
		const grants = requests.map((each, position) => {
			const isLast = position === requests.length - 1;
			const most = left - (requests.length - 1 - position);
			// Whoever needs more than it can have got, and is not cut, had the rest, at least, in the cache.
			if (mayCutLast && !isLast && each.hitsUnknown)
				each.computed += this.wholeBlocks(Math.max(0, each.tokens - each.computed - most));
			const granted = Math.min(each.tokens - each.computed, left);
			const from = each.computed;
			each.computed += granted;
			if (isDecoding(each)) each.hitsUnknown = false;
			each.isGuessed = isGuess && !isDecoding(each);
			left -= granted;
			return { from, tokens: granted };
		});
		const areComplete = requests.every(
			(each, i) => isDecoding(each) || (mayCutLast && i === requests.length - 1),
		);
		const isSound = left === 0 && areComplete && grants.every((each) => each.tokens > 0 && each.from >= 0);
		if (!isSound) throw this.contradiction(index);
		return grants;
	}

	/**
	 * A step that cuts nobody completes all its prefills, so its tokens tell what was open: what was not computed of a resumed
	 * request lay in the cache, and a guess of how an earlier step was shared out is put right.
	 */
	private settleUnknown(requests: readonly Progress[], tokens: number): void {
		let surplus = requests.reduce((sum, each) => sum + each.tokens - each.computed, 0) - tokens;
		for (const each of requests.filter(({ hitsUnknown }) => hitsUnknown)) {
			const { blockSize } = this.run.config;
			const mostHits = Math.floor((each.tokens - 1 - each.computed) / blockSize) * blockSize;
			const hits = Math.max(0, Math.min(surplus, mostHits));
			each.computed += hits;
			surplus -= hits;
		}
		const guessed = requests.find(({ isGuessed }) => isGuessed);
		if (guessed !== undefined) guessed.computed += surplus;
	}

	private wholeBlocks(tokens: number): number {
		const { blockSize } = this.run.config;
		return Math.ceil(tokens / blockSize) * blockSize;
	}

	/** Whoever has computed all it has gets a token, and leaves when it was the last. @returns first tokens among them */
	private yieldTokens(): number {
		let firstTokens = 0;
		for (const each of this.running) {
			if (each.computed < each.tokens) continue;
			if (each.tokens === each.call.promptTokens) firstTokens++;
			each.tokens++;
		}
		this.running = this.running.filter(({ tokens, call }) => tokens < call.promptTokens + call.outputTokens);
		return firstTokens;
	}

	private contradiction(index: number): UsageError {
		const { place, name, steps } = this.run;
		const { prefillSequences, prefillTokens, decodeSequences, decodeTokens } = steps[index] as MeasuredStep;
		return new UsageError(
			'E_MEASURED_RUN',
			`${place}: iterations[${index}]: expected what the calls of ${name} lead to, ` +
				`got ${prefillSequences} requests with ${prefillTokens} tokens and ${decodeSequences} with ${decodeTokens}`,
		);
	}
}

const hasOutputs = ({ tokens, call }: Progress): boolean => tokens > call.promptTokens;

const isDecoding = ({ computed, prefillEnd }: Progress): boolean => computed >= prefillEnd;
