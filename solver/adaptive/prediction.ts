import { normalCdf, normalQuantile } from '../../sim/domain/distribution.ts';
import type { ModelId, QueryId } from '../../sim/domain/ids.ts';
import type { KnownLength, QueryView } from '../../sim/domain/scheduler.ts';
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

type LengthsOf = (model: ModelId) => LengthTable;

/** Lengths, with their mean. */
interface Told {
	readonly lengths: LengthTable;
	readonly meanTokens: number;
}

/** Queries of which as many calls of known length have ended, with about the same mean of their normal scores. */
interface Likeness {
	readonly calls: number;
	/** The mean, in steps of GRAIN. */
	readonly steps: number;
	/** By lengths in general, those of calls of such queries. */
	readonly told: Map<LengthTable, Told>;
}

/** Tables are made for scores this far apart. */
const GRAIN = 0.25;

/**
 * How long a call becomes, from the calls of its query that have ended: lengths are a property of the question first. The place of a length among those of
 * its model is a normal score, and the scores of the calls of one query are taken to be jointly normal, each two with the same correlation r
 * (a Gaussian copula). Given n scores of mean z, the next one is normal with mean r n z / (1 + (n - 1) r) and variance 1 - r^2 n / (1 + (n - 1) r).
 */
export class Prediction {
	private readonly correlation: number;
	/** By what is known. */
	private readonly groups = new Map<string, Likeness>();
	/** Of queries, with the ended slots that it was made from. */
	private readonly likenesses = new Map<QueryId, { readonly answers: number; readonly likeness: Likeness }>();
	private readonly unknown = this.group(0, 0);

	constructor(correlation: number) {
		this.correlation = correlation;
	}

	lengths(input: PredictionInput, { model, role, query }: Call): LengthTable {
		return this.given(input.lengths(model, role), this.likenessOf(input, query)).lengths;
	}

	/** Tokens that a call is expected to generate, and the aggregator's call after it. */
	chainTokens(input: PredictionInput, { model, role, query }: Call, aggregator: ModelId | null): number {
		const likeness = this.likenessOf(input, query);
		const own = this.given(input.lengths(model, role), likeness).meanTokens;
		if (role === 'aggregator' || aggregator === null) return own;
		return own + this.given(input.lengths(aggregator, 'aggregator'), likeness).meanTokens;
	}

	private likenessOf(input: PredictionInput, id: QueryId): Likeness {
		const answers = input.answersOf(id);
		if (answers === 0) return this.unknown;
		let known = this.likenesses.get(id);
		if (known?.answers !== answers) {
			known = {
				answers,
				likeness: this.compare(endsOf(input.query(id)), (model) => input.lengths(model, 'expert')),
			};
			this.likenesses.set(id, known);
		}
		return known.likeness;
	}

	/** Lengths of calls of a query whose expert calls of known length are these. */
	lengthsBeside(general: LengthTable, known: readonly KnownLength[], lengthsOf: LengthsOf): LengthTable {
		return this.given(general, this.compare(known, lengthsOf)).lengths;
	}

	private compare(known: readonly KnownLength[], lengthsOf: LengthsOf): Likeness {
		let sum = 0;
		let calls = 0;
		for (const { model, tokens } of known) {
			const lengths = lengthsOf(model);
			if (lengths.length === 0) continue;
			// Of equal entries, as at a limit, the middle; and within the table, however long.
			const place = (countUpTo(lengths, tokens - 1) + countUpTo(lengths, tokens)) / 2;
			sum += normalQuantile(Math.min(lengths.length - 0.5, Math.max(0.5, place)) / lengths.length);
			calls++;
		}
		return calls === 0 ? this.unknown : this.group(calls, Math.round(sum / calls / GRAIN));
	}

	private group(calls: number, steps: number): Likeness {
		const key = `${calls} ${steps}`;
		let group = this.groups.get(key);
		if (group === undefined) {
			group = { calls, steps, told: new Map() };
			this.groups.set(key, group);
		}
		return group;
	}

	private given(general: LengthTable, likeness: Likeness): Told {
		let told = likeness.told.get(general);
		if (told === undefined) {
			const lengths = this.tell(general, likeness);
			told = { lengths, meanTokens: residual(lengths, 0).tokens };
			likeness.told.set(general, told);
		}
		return told;
	}

	private tell(general: LengthTable, { calls, steps }: Likeness): LengthTable {
		if (calls === 0) return general;
		const shrink = this.correlation / (1 + (calls - 1) * this.correlation);
		const mean = shrink * calls * steps * GRAIN;
		const deviation = Math.sqrt(1 - shrink * calls * this.correlation);
		const last = general.length - 1;
		return general.map((_, index) => {
			const score = mean + deviation * normalQuantile((index + 0.5) / general.length);
			return general[Math.min(last, Math.floor(normalCdf(score) * general.length))] ?? 1;
		});
	}
}

const endsOf = ({ slots }: QueryView): readonly KnownLength[] =>
	slots.flatMap(({ model, state, outputTokens: tokens }) =>
		state === 'finished' && tokens !== undefined ? [{ model, tokens }] : [],
	);
