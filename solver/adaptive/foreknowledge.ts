import { aggregatorCallId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { Call } from '../../sim/domain/work.ts';
import type { TrueOutputTokens } from '../deps.ts';
import { type LengthTable, survival } from './lengths.ts';

/** What the oracle knows, with what follows from it for lists of calls: those never change, so it is worked out once for each. */
export class Foreknowledge {
	readonly tokens: TrueOutputTokens;
	private readonly tables = new Map<number, LengthTable>();
	private readonly sorted = new WeakMap<readonly Call[], LengthTable>();
	private readonly sums = new WeakMap<readonly Call[], Map<ReplicaProfile, number>>();

	constructor(tokens: TrueOutputTokens) {
		this.tokens = tokens;
	}

	/** A table of one length. */
	lengths(call: Call, limitTokens: number): LengthTable {
		const tokens = Math.max(1, Math.min(this.tokens(call), limitTokens));
		let table = this.tables.get(tokens);
		if (table === undefined) {
			table = [tokens];
			this.tables.set(tokens, table);
		}
		return table;
	}

	/** Its tokens and those of its query's aggregation, should there be one: that long it takes at least. */
	chainTokens({ query, role }: Call, [own = 0]: LengthTable): number {
		if (role === 'aggregator') return own;
		return own + this.tokens({ id: aggregatorCallId(query), query, role: 'aggregator' });
	}

	countBeyond(calls: readonly Call[], tokens: number, lengthsOf: (call: Call) => LengthTable): number {
		let sorted = this.sorted.get(calls);
		if (sorted === undefined) {
			sorted = calls.map((call) => lengthsOf(call)[0] ?? 0).sort((a, b) => a - b);
			this.sorted.set(calls, sorted);
		}
		return survival(sorted, 0, tokens) * calls.length;
	}

	sum(calls: readonly Call[], profile: ReplicaProfile, of: (call: Call) => number): number {
		let sums = this.sums.get(calls);
		if (sums === undefined) {
			sums = new Map();
			this.sums.set(calls, sums);
		}
		let sum = sums.get(profile);
		if (sum === undefined) {
			sum = calls.reduce((total, call) => total + of(call), 0);
			sums.set(profile, sum);
		}
		return sum;
	}
}
