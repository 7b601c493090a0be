import type { ModelId, QueryId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { CallRole } from '../../sim/domain/work.ts';
import type { TrueOutputTokens } from '../deps.ts';
import { type Estimate, type Expectations, fullBatch, wholeWorkUs } from './estimates.ts';
import { Foreknowledge } from './foreknowledge.ts';
import type { FlaggedParts } from './held-calls.ts';
import { type LengthTable, residual } from './lengths.ts';
import { LongestFirst } from './longest-first.ts';
import { Prediction } from './prediction.ts';

/** What follows from the expectations alone, worked out once for each plan. */
export class Tables {
	/** Models with work of any role, in problem order. */
	readonly models: readonly ModelId[];
	/** Of each slot of a query. */
	readonly ranks = new Map<QueryId, readonly number[]>();
	/** By the slots that have ended. */
	readonly parts = new Map<ModelId, (FlaggedParts | undefined)[]>();
	readonly prediction: Prediction;
	readonly longestFirst = new LongestFirst();
	readonly known: Foreknowledge | null;
	/** When a decision first went by them. */
	readonly sinceUs: TimeUs;
	private readonly estimates: ReadonlyMap<ModelId, Partial<Record<CallRole, Estimate>>>;
	private readonly batches = new Map<ReplicaProfile, Readonly<Record<CallRole, number>>>();
	private readonly callsUs = new Map<ReplicaProfile, Partial<Record<CallRole, number>>>();

	constructor(expected: Expectations, trueOutputTokens: TrueOutputTokens | null, sinceUs: TimeUs) {
		this.models = [...new Set(expected.estimates.map(({ model }) => model))];
		this.prediction = new Prediction(expected.tuning.likeness);
		this.known = trueOutputTokens === null ? null : new Foreknowledge(trueOutputTokens);
		this.sinceUs = sinceUs;
		this.estimates = byModel(expected.estimates);
	}

	estimate(model: ModelId, role: CallRole): Estimate | undefined {
		return this.estimates.get(model)?.[role];
	}

	/** Of calls of a model in general. */
	lengths(model: ModelId, role: CallRole): LengthTable {
		return this.estimate(model, role)?.lengths ?? NO_LENGTHS;
	}

	/** Sequences of this role that a replica can hold in the long run. */
	batch(profile: ReplicaProfile, role: CallRole): number {
		let batches = this.batches.get(profile);
		if (batches === undefined) {
			const of = (one: CallRole): number => {
				const estimate = this.estimate(profile.model, one);
				return estimate === undefined ? 1 : fullBatch(profile, estimate);
			};
			batches = { expert: of('expert'), aggregator: of('aggregator') };
			this.batches.set(profile, batches);
		}
		return batches[role];
	}

	/** Microseconds of one engine of this profile that a fresh call takes. */
	callUs(profile: ReplicaProfile, role: CallRole): number {
		let known = this.callsUs.get(profile);
		if (known === undefined) {
			known = {};
			this.callsUs.set(profile, known);
		}
		known[role] ??= this.freshUs(profile, role);
		return known[role];
	}

	private freshUs(profile: ReplicaProfile, role: CallRole): number {
		const estimate = this.estimate(profile.model, role);
		if (estimate === undefined) return 0;
		const { lengths, promptTokens } = estimate;
		return wholeWorkUs(profile, this.batch(profile, role), promptTokens, residual(lengths, 0));
	}
}

/** @param nowUs of the first decision that goes by these expectations */
export function tablesOf(
	expected: Expectations,
	trueOutputTokens: TrueOutputTokens | null,
	nowUs: TimeUs,
): Tables {
	let tables = tablesOfPlan.get(expected);
	if (tables === undefined) {
		tables = new Tables(expected, trueOutputTokens, nowUs);
		tablesOfPlan.set(expected, tables);
	}
	return tables;
}

const tablesOfPlan = new WeakMap<Expectations, Tables>();

const NO_LENGTHS: LengthTable = [];

function byModel(estimates: readonly Estimate[]): ReadonlyMap<ModelId, Partial<Record<CallRole, Estimate>>> {
	const found = new Map<ModelId, Partial<Record<CallRole, Estimate>>>();
	for (const one of estimates) found.set(one.model, { ...found.get(one.model), [one.role]: one });
	return found;
}
