import { present } from '../../sim/domain/errors.ts';
import type { QueryId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Answer, Call } from '../../sim/domain/work.ts';

/** What the workload drew for a call. The world's knowledge: nothing of it may reach a prompt or a scheduler. */
export interface DrawnCall {
	/** Until it ends by itself; at the call's limit and beyond, it is cut. */
	readonly outputTokens: number;
	readonly answerTokens: number;
	/** When it is not cut. */
	readonly answer: Answer;
}

/** @param given answers of the query's experts in slot order, for its aggregator */
export function drawnCall(
	{ truth }: Setup,
	call: Call,
	given: (query: QueryId) => readonly Answer[],
): DrawnCall {
	if (call.role === 'expert') return truth.call(call.id);
	const query = truth.query(call.query);
	// Nobody reads what stands before an aggregator's answer, so its length is not drawn.
	return {
		outputTokens: query.aggregatorOutputTokens,
		answerTokens: 0,
		answer: query.aggregatorAnswer(given(call.query)),
	};
}

/**
 * Answers of experts, by query and slot, as they come in. A slot without one is null, as the simulator has it.
 * @typeParam T what is kept of an answer
 */
export class SlotTable<T> {
	private readonly slotCounts: ReadonlyMap<QueryId, number>;
	private readonly rows = new Map<QueryId, (T | null)[]>();

	constructor({ queries }: Pick<Setup, 'queries'>) {
		this.slotCounts = new Map(queries.map((query) => [query.id, query.slots.length]));
	}

	set(call: Call, value: T | null): void {
		let row = this.rows.get(call.query);
		if (row === undefined) {
			row = this.empty(call.query);
			this.rows.set(call.query, row);
		}
		row[call.slotIndex] = value;
	}

	/** In slot order. */
	row(query: QueryId): readonly (T | null)[] {
		return this.rows.get(query) ?? this.empty(query);
	}

	private empty(query: QueryId): (T | null)[] {
		return new Array<T | null>(present(this.slotCounts.get(query), `query ${query}`)).fill(null);
	}
}
