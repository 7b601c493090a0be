/** Why a gate spends nothing of its budget, in words. */
import type { GateEvidence, GateOptions } from '../domain/calibration.ts';
import { fewestQueries } from './loss-test.ts';
import { inAll } from './split-past.ts';

export type GateNote = Pick<GateEvidence, 'note' | 'queriesNeeded'>;

export interface Unspent {
	/** Of the gate. */
	readonly name: string;
	/** Of the past queries, for people. */
	readonly source: string;
	readonly options: GateOptions;
	readonly hasAggregator: boolean;
	readonly learned: number;
	readonly tested: number;
	/** Whether the gate's own rule keeps the budget. */
	readonly holds: boolean;
	/** Tested queries after which a first step might pass; null when it never would. */
	readonly neededForFirst: number | null;
}

/** Why the budget is not spent, and how many past queries might change that. */
export function whyNothing(unspent: Unspent): GateNote {
	const { name, source, options, learned, tested, holds } = unspent;
	if (!unspent.hasAggregator)
		return { note: 'no aggregator to skip or to compare with', queriesNeeded: null };
	const { budgetPoints, confidence } = options;
	const promise = `${budgetPoints} points at ${Number((100 * confidence).toFixed(6))} % confidence`;
	const needed = mightDo(unspent);
	const fewest = fewestQueries(budgetPoints / 100, 1 - confidence);
	if (tested < fewest) {
		const least = Number.isFinite(fewest) ? inAll(fewest) : null;
		// Of gains that would do with fewer, so few queries show nothing that can be relied on.
		const words =
			least === null
				? `no number of them would do${needed === null ? '' : `; with those that they show about ${needed} might`}`
				: `no fewer than ${least} would do${needed !== null && needed > least ? `, and about ${needed} might` : ''}`;
		return {
			note: `${source} (${tested} to test on, ${learned} to learn from) are too few to promise ${promise}: without gains ${words}`,
			queriesNeeded: needed === null && least === null ? null : Math.max(needed ?? 0, least ?? 0),
		};
	}
	if (!holds)
		return {
			note: `${name} alone was not shown to cost less than ${promise} on ${source}`,
			queriesNeeded: null,
		};
	return {
		note: `nothing that saves work was shown to cost less than ${promise} on ${source}${needed === null ? '' : `: about ${needed} might do`}`,
		queriesNeeded: needed,
	};
}

/** That fewer would have done, had the tested ones been like the learned ones, helps nobody. */
const mightDo = ({ neededForFirst, tested }: Unspent): number | null =>
	neededForFirst === null || neededForFirst <= tested ? null : inAll(neededForFirst);
