import type { CallWork } from '../core/executor.ts';
import type { EngineEvent, EngineRequest, PromptSegment } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';
import type { CallId } from '../domain/ids.ts';
import type { Truth } from '../domain/truth.ts';
import type { Answer, Call, CallOutcome } from '../domain/work.ts';
import { outputStream } from '../engine/token-chains.ts';

interface Carried {
	readonly tokens: number;
	readonly recomputedTokens: number;
	readonly migrations: number;
}

/** What the models of a simulated world say, and how long they speak. The only reader of true lengths and answers. */
export class TrueCalls {
	private readonly truth: Truth;
	private readonly slotCount: (call: Call) => number;
	/** Answers of each query's slots as far as they ended, for its aggregator. */
	private readonly answers = new Map<string, Answer[]>();
	/** What calls that moved brought along to where they are. */
	private readonly carried = new Map<CallId, Carried>();

	constructor(truth: Truth, slotCount: (call: Call) => number) {
		this.truth = truth;
		this.slotCount = slotCount;
	}

	/**
	 * A call leaves its engine.
	 * @param outputTokens that it had there
	 * @returns tokens that it takes along
	 */
	carry(call: Call, outputTokens: number): number {
		const before = this.carried.get(call.id) ?? { tokens: 0, recomputedTokens: 0, migrations: 0 };
		const tokens = before.tokens + outputTokens;
		// Where it did not begin, nothing was computed that will have to be again.
		const again = outputTokens === 0 ? 0 : call.promptTokens + tokens;
		const { recomputedTokens, migrations } = before;
		this.carried.set(call.id, {
			tokens,
			recomputedTokens: recomputedTokens + again,
			migrations: migrations + 1,
		});
		return tokens;
	}

	carriedTokens(call: Call): number {
		return this.carried.get(call.id)?.tokens ?? 0;
	}

	/** @returns the tokens that are lost */
	drop(id: CallId): number {
		const tokens = this.carried.get(id)?.tokens ?? 0;
		this.carried.delete(id);
		return tokens;
	}

	work(call: Call, event: Extract<EngineEvent, { kind: 'finished' }>): CallWork {
		const { startedUs, firstTokenUs, cachedPromptTokens, recomputedTokens, preemptions, outputTokens } =
			event;
		const own = { startedUs, firstTokenUs, cachedPromptTokens, recomputedTokens, preemptions, outputTokens };
		const carried = this.carried.get(call.id);
		if (carried === undefined) return own;
		return {
			...own,
			recomputedTokens: recomputedTokens + carried.recomputedTokens,
			outputTokens: outputTokens + carried.tokens,
			migrations: carried.migrations,
		};
	}

	request(call: Call): EngineRequest {
		const { truth } = this;
		const isExpert = call.role === 'expert';
		const outputTokens = isExpert
			? truth.call(call.id).outputTokens
			: truth.query(call.query).aggregatorOutputTokens;
		const carried = this.carriedTokens(call);
		const own: PromptSegment = [isExpert ? call.query : call.id, 0, call.promptTokens];
		return {
			id: call.id,
			promptTokens: call.promptTokens + carried,
			// Slots of one query that went to the same model have equal prompts; an aggregator's prompt is its own, and so is what was generated.
			promptSegments: carried === 0 ? [own] : [own, [outputStream(call.id), 0, carried]],
			outputTokens: Math.min(outputTokens, call.maxOutputTokens) - carried,
			endsByStop: outputTokens < call.maxOutputTokens,
			maxOutputTokens: call.maxOutputTokens - carried,
			priority: 0,
		};
	}

	/** What the model said: an output that was cut never got to its answer. */
	outcome(call: Call, event: Extract<EngineEvent, { kind: 'finished' }>): CallOutcome {
		const { finishReason } = event;
		const outputTokens = event.outputTokens + this.carriedTokens(call);
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
