import type { CallContent, CallPrompt, CallReply } from '../../../live/content.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import type { Answer, Call } from '../../../sim/domain/work.ts';

/** Words that are answers; what the experts of a query said is kept for its aggregator, as a real content keeps their texts. */
export class ScriptedContent implements CallContent {
	private readonly answers = new Map<string, Answer[]>();
	private readonly slotCounts: ReadonlyMap<string, number>;

	constructor(setup: Setup) {
		this.slotCounts = new Map(setup.queries.map((query) => [query.id, query.slots.length]));
	}

	prompt(): CallPrompt {
		return { endpoint: 'completions', body: {}, maxTokens: 1, promptTokens: null };
	}

	read(call: Call, { text, outputTokens }: CallReply) {
		const answer: Answer = text === '' ? null : text;
		if (call.role === 'expert') {
			const said = this.answersOf(call);
			said[call.slotIndex] = answer;
			this.answers.set(call.query, said);
		}
		return { answer, answerTokens: outputTokens };
	}

	forget(): void {}

	answersOf({ query }: Call): Answer[] {
		return this.answers.get(query) ?? Array<Answer>(this.slotCounts.get(query) ?? 0).fill(null);
	}
}
