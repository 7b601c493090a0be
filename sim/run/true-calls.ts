import type { EngineEvent, EngineRequest } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';
import type { Truth } from '../domain/truth.ts';
import type { Answer, Call, CallOutcome } from '../domain/work.ts';

/** What the models of a simulated world say, and how long they speak. The only reader of true lengths and answers. */
export class TrueCalls {
	private readonly truth: Truth;
	private readonly slotCount: (call: Call) => number;
	/** Answers of each query's slots as far as they ended, for its aggregator. */
	private readonly answers = new Map<string, Answer[]>();

	constructor(truth: Truth, slotCount: (call: Call) => number) {
		this.truth = truth;
		this.slotCount = slotCount;
	}

	request(call: Call): EngineRequest {
		const { truth } = this;
		const isExpert = call.role === 'expert';
		const outputTokens = isExpert
			? truth.call(call.id).outputTokens
			: truth.query(call.query).aggregatorOutputTokens;
		return {
			id: call.id,
			promptTokens: call.promptTokens,
			// Slots of one query that went to the same model have equal prompts; an aggregator's prompt is its own.
			promptSegments: [[isExpert ? call.query : call.id, 0, call.promptTokens]],
			outputTokens: Math.min(outputTokens, call.maxOutputTokens),
			endsByStop: outputTokens < call.maxOutputTokens,
			maxOutputTokens: call.maxOutputTokens,
			priority: 0,
		};
	}

	/** What the model said: an output that was cut never got to its answer. */
	outcome(call: Call, event: Extract<EngineEvent, { kind: 'finished' }>): CallOutcome {
		const { outputTokens, finishReason } = event;
		const cut = finishReason === 'length';
		if (call.role === 'aggregator') {
			const answers = this.answers.get(call.query) ?? [];
			const answer = cut ? null : this.truth.query(call.query).aggregatorAnswer(answers);
			return { kind: 'finished', outputTokens, answerTokens: 0, finishReason, answer };
		}
		const truth = this.truth.call(call.id);
		const answer = cut ? null : truth.answer;
		this.remember(call, answer);
		const answerTokens = Math.min(truth.answerTokens, outputTokens);
		return { kind: 'finished', outputTokens, answerTokens, finishReason, answer };
	}

	/** A call that ended without an answer. */
	gaveNone(call: Call): void {
		if (call.role === 'expert') this.remember(call, null);
	}

	private remember(call: Call, answer: Answer): void {
		let answers = this.answers.get(call.query);
		if (answers === undefined) {
			answers = Array<Answer>(this.slotCount(call)).fill(null);
			this.answers.set(call.query, answers);
		}
		assert(call.slotIndex >= 0 && call.slotIndex < answers.length, `slot of call ${call.id}`);
		answers[call.slotIndex] = answer;
	}
}
