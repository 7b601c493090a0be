import type { CallId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Answer, Call } from '../../sim/domain/work.ts';
import type { CallPrompt, CallReply } from '../content.ts';
import type { ContentOptions, LiveContent } from './answer-book.ts';
import { type DrawnCall, drawnCall, SlotTable } from './drawn.ts';
import { promptTokenIds } from './token-ids.ts';

/**
 * Calls without words, for workloads that are drawn: prompts are token ids of the drawn number, outputs have the drawn length, and the answers are the
 * drawn ones, whatever the models say.
 */
export class SyntheticContent implements LiveContent {
	private readonly setup: Setup;
	private readonly takesScripts: boolean;
	private readonly slots: SlotTable<string>;
	private readonly answers = new Map<CallId, Answer>();

	constructor(setup: Setup, { takesScripts }: ContentOptions) {
		this.setup = setup;
		this.takesScripts = takesScripts;
		this.slots = new SlotTable(setup);
	}

	prompt(call: Call): CallPrompt {
		const { outputTokens } = this.drawn(call);
		// As in the simulator: slots of one query on one model share their prompt, an aggregator's is its own.
		const prompt = promptTokenIds(call.role === 'expert' ? call.query : call.id, call.promptTokens);
		const { maxOutputTokens: limit } = call;
		return {
			endpoint: 'completions',
			body: this.takesScripts
				? { prompt, mosaic: { output_tokens: outputTokens } }
				: { prompt, ignore_eos: true },
			maxTokens: this.takesScripts ? limit : Math.min(outputTokens, limit),
			promptTokens: call.promptTokens,
		};
	}

	read(call: Call, reply: CallReply): { answer: Answer; answerTokens: number } {
		const drawn = this.drawn(call);
		const answer = reply.finishReason === 'length' ? null : drawn.answer;
		this.answers.set(call.id, answer);
		if (call.role === 'expert') this.slots.set(call, answer);
		return { answer, answerTokens: Math.min(drawn.answerTokens, reply.outputTokens) };
	}

	forget(call: CallId): void {
		this.answers.delete(call);
	}

	answerOf(call: CallId): Answer | undefined {
		return this.answers.get(call);
	}

	private drawn(call: Call): DrawnCall {
		return drawnCall(this.setup, call, (query) => this.slots.row(query));
	}
}
