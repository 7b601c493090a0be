import { StringDecoder } from 'node:string_decoder';
import type { SpeechPlan } from './speech-plan.ts';

/** What became of an output since the last time. */
export interface Delta {
	readonly text: string;
	readonly tokens: readonly number[];
}

/**
 * Turns counts of tokens into text, as vLLM's detokenizer does: a character whose bytes are not all there yet waits, and with stop
 * texts so much of the end is held back that none of them can begin in what was shown.
 */
export class Narration {
	private readonly plan: SpeechPlan;
	private readonly heldBack: number;
	private readonly decoder = new StringDecoder('utf8');
	private tokenCount = 0;
	private byteCount = 0;
	/** Decoded and not shown yet. */
	private pending = '';

	/** @param heldBack characters at the end that are shown only when the output has ended */
	constructor(plan: SpeechPlan, heldBack: number) {
		this.plan = plan;
		this.heldBack = heldBack;
	}

	get tokensSoFar(): number {
		return this.tokenCount;
	}

	/** @param tokenCount of the whole output so far */
	advance(tokenCount: number, hasEnded: boolean): Delta {
		const { plan, byteCount } = this;
		const { speech } = plan;
		const tokens = speech.tokens(this.tokenCount, tokenCount);
		const bytes = speech.bytes(this.tokenCount, tokenCount);
		this.tokenCount = tokenCount;
		this.byteCount += bytes.length;
		const shown = bytes.subarray(0, Math.max(0, plan.shownBytes - byteCount));
		this.pending += this.decoder.write(Buffer.from(shown.buffer, shown.byteOffset, shown.length));
		// Bytes that are no character wait for one that is.
		const legible = this.pending.replace(/\ufffd+$/, '').length;
		const length = hasEnded ? legible : Math.max(0, Math.min(legible, this.pending.length - this.heldBack));
		const text = this.pending.slice(0, length);
		this.pending = this.pending.slice(length);
		return { text, tokens };
	}
}
