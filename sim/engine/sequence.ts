import type { EngineRequest } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';
import type { TokenChain } from './token-chains.ts';

/** More than any count of tokens, and still a small integer to the JavaScript engine, which keeps the step loop quick. */
export const MANY_TOKENS = 2 ** 30 - 1;

export type SequenceState = 'waiting' | 'running' | 'ended';

/**
 * One request inside the scheduler. Plain mutable numbers, all present from the start: the step loop reads and writes them
 * for every running sequence in every step. Token counts and positions unless a name says otherwise.
 */
export class Sequence {
	// The step loop touches the fields of this first group only; together they fill one or two cache lines.
	/** Positions computed, counting those of steps in flight. */
	computed = 0;
	/** Prompt and outputs so far. */
	tokens = 0;
	/** Outputs of steps in flight (asynchronous scheduling only). */
	placeholders = 0;
	/** Positions its blocks have room for. */
	capacity = 0;
	/** `tokens` when it was last admitted: below it, positions count as prefill. */
	prefillEnd = 0;
	/** Known tokens that complete the next block to hash; MANY_TOKENS without prefix caching. */
	nextHashTokens = MANY_TOKENS;
	/** `tokens` at which max_tokens or the context ends it: what the asynchronous scheduler foresees. */
	readonly foreseenEndTokens: number = 0;
	/** `tokens` at which it ends. */
	readonly endTokens: number = 0;
	state: SequenceState = 'waiting';

	readonly id: string;
	/** Position in the order of submission: the last tie-break everywhere. */
	readonly order: number;
	/** Time or step of arrival; orders equal priorities. */
	readonly arrival: number;
	readonly priority: number;
	readonly promptTokens: number;
	readonly endsByStop: boolean;
	/** Identity of its blocks; null without prefix caching. */
	readonly chain: TokenChain | null;

	/** Block numbers, used with prefix caching only. */
	readonly blocks: number[];
	/** Leading blocks that carry a hash. */
	hashedBlocks = 0;
	/** Cached prompt tokens found when it was last admitted. */
	hitTokens = 0;
	/** Cached prompt tokens found when it was first admitted: the ones vLLM reports. */
	cachedPromptTokens = 0;
	preemptions = 0;
	/** Positions that had been computed when it was last preempted; what is scheduled below is recomputation. */
	lostEnd = 0;
	recomputedTokens = 0;

	/** Kept by a leaping scheduler. Order of admission among the running. */
	rank = 0;
	/** Whether its counts stand still while it decodes, to be worked out from the number of steps (`QuietSet`). */
	quiet = false;
	/** While quiet: `computed` less the number of steps scheduled. */
	quietBase = 0;
	/** While quiet: number of the step that yields its last token. */
	endStep = 0;

	/** A prompt names its output, so its blocks may be looked up. */
	isNamed = false;

	/** Kept by whoever holds a clock; -1 until it happens. */
	startedUs = -1;
	firstTokenUs = -1;

	constructor(
		request: EngineRequest,
		order: number,
		arrival: number,
		maxModelLen: number,
		chain: TokenChain | null,
	) {
		const { promptTokens, outputTokens, maxOutputTokens, endsByStop } = request;
		this.id = request.id;
		this.order = order;
		this.arrival = arrival;
		this.priority = request.priority;
		this.promptTokens = promptTokens;
		this.tokens = promptTokens;
		// Without a stop token the length limit is what ends it, so the limit is where its output ends.
		const limitTokens = endsByStop ? maxOutputTokens : Math.min(maxOutputTokens, outputTokens);
		this.foreseenEndTokens = Math.min(promptTokens + limitTokens, maxModelLen);
		this.endTokens = Math.min(promptTokens + outputTokens, this.foreseenEndTokens);
		this.endsByStop = endsByStop && promptTokens + outputTokens === this.endTokens;
		this.chain = chain;
		this.blocks = chain === null ? NO_BLOCKS : [];
	}

	get outputTokens(): number {
		return this.tokens - this.promptTokens;
	}
}

const NO_BLOCKS: number[] = [];

/** The token chain of a sequence, which every sequence has under prefix caching. */
export function chainOf({ chain, id }: Sequence): TokenChain {
	// The message is built only when it is needed: this runs for every block.
	if (chain === null) assert(false, `${id} has no token chain`);
	return chain;
}
