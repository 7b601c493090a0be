import { normalCdf, normalQuantile } from '../../sim/domain/distribution.ts';
import type { ModelId, QueryId } from '../../sim/domain/ids.ts';
import type { QueryView } from '../../sim/domain/scheduler.ts';
import type { Call, CallRole } from '../../sim/domain/work.ts';
import { countUpTo, type LengthTable, residual } from './lengths.ts';

/** What predictions are made of. */
export interface PredictionInput {
	/** Slots of a query that have ended. */
	answersOf(query: QueryId): number;
	query(id: QueryId): QueryView;
	/** Lengths of calls of a model in general. */
	lengths(model: ModelId, role: CallRole): LengthTable;
}

/** What is known of how long the calls of a query are, compared with others. */
interface Likeness {
	/** Ended slots that it was made from. */
	readonly answers: number;
	/** Calls among them whose length is known. */
	readonly calls: number;
	/** Mean of their normal scores, in steps of GRAIN. */
	readonly steps: number;
}

const UNKNOWN: Likeness = { answers: 0, calls: 0, steps: 0 };

/** Tables are made for scores this far apart. */
const GRAIN = 0.25;

/**
 * How long a call becomes, from the calls of its query that have ended: lengths are a property of the question first. The place of a length among those of
 * its model is a normal score, and the scores of the calls of one query are taken to be jointly normal, each two with the same correlation r
 * (a Gaussian copula). Given n scores of mean z, the next one is normal with mean r n z / (1 + (n - 1) r) and variance 1 - r^2 n / (1 + (n - 1) r).
 */
export class Prediction {
	private readonly correlation: number;
	private readonly likenesses = new Map<QueryId, Likeness>();
	private readonly tables = new WeakMap<LengthTable, Map<string, LengthTable>>();

	constructor(correlation: number) {
		this.correlation = correlation;
	}

	lengths(input: PredictionInput, { model, role, query }: Call): LengthTable {
		return this.given(input.lengths(model, role), this.likenessOf(input, query));
	}

	/** Tokens that a call is expected to generate, and the aggregator's call after it. */
	chainTokens(input: PredictionInput, call: Call, aggregator: ModelId | null): number {
		const own = residual(this.lengths(input, call), 0).tokens;
		if (call.role === 'aggregator' || aggregator === null) return own;
		const reply = this.given(input.lengths(aggregator, 'aggregator'), this.likenessOf(input, call.query));
		return own + residual(reply, 0).tokens;
	}

	private likenessOf(input: PredictionInput, id: QueryId): Likeness {
		const answers = input.answersOf(id);
		if (answers === 0) return UNKNOWN;
		let likeness = this.likenesses.get(id);
		if (likeness?.answers !== answers) {
			likeness = this.compare(input, id, answers);
			this.likenesses.set(id, likeness);
		}
		return likeness;
	}

	private compare(input: PredictionInput, id: QueryId, answers: number): Likeness {
		let sum = 0;
		let calls = 0;
		for (const { model, state, outputTokens } of input.query(id).slots) {
			const lengths = input.lengths(model, 'expert');
			if (state !== 'finished' || outputTokens === undefined || lengths.length === 0) continue;
			// Of equal entries, as at a limit, the middle; and within the table, however long.
			const place = (countUpTo(lengths, outputTokens - 1) + countUpTo(lengths, outputTokens)) / 2;
			sum += normalQuantile(Math.min(lengths.length - 0.5, Math.max(0.5, place)) / lengths.length);
			calls++;
		}
		return { answers, calls, steps: calls === 0 ? 0 : Math.round(sum / calls / GRAIN) };
	}

	/** Of lengths in general, those of calls of such queries. */
	private given(lengths: LengthTable, { calls, steps }: Likeness): LengthTable {
		if (calls === 0 || lengths.length === 0) return lengths;
		let known = this.tables.get(lengths);
		if (known === undefined) {
			known = new Map();
			this.tables.set(lengths, known);
		}
		const key = `${calls} ${steps}`;
		let table = known.get(key);
		if (table === undefined) {
			const shrink = this.correlation / (1 + (calls - 1) * this.correlation);
			const mean = shrink * calls * steps * GRAIN;
			const deviation = Math.sqrt(1 - shrink * calls * this.correlation);
			table = lengths.map((_, index) => {
				const score = mean + deviation * normalQuantile((index + 0.5) / lengths.length);
				return lengths[Math.min(lengths.length - 1, Math.floor(normalCdf(score) * lengths.length))] ?? 1;
			});
			known.set(key, table);
		}
		return table;
	}
}
