/** What the ideas of a policy contribute: the document of `compare --ablation --json`. */
import { type Comparison, type ComparisonRow, compareSummaries } from './comparison.ts';
import { type Estimate, estimate } from './student-t.ts';
import type { Summary } from './summary.ts';

/** One way to switch the ideas of a policy. */
export interface AblationVariant {
	/** Name of the scheduler, e.g. `adaptive:all-cuts`. */
	readonly scheduler: string;
	/** Everything on, all but one, one alone, or nothing. */
	readonly kind: 'all' | 'off' | 'alone' | 'none';
	/** The one; null for all and none. */
	readonly idea: string | null;
}

export interface Ablation extends Omit<Comparison, 'rows'> {
	readonly gate: string;
	readonly rows: readonly AblationRow[];
}

/** A row of a comparison whose baseline is the policy with everything on. */
export interface AblationRow extends ComparisonRow, AblationVariant {
	/** How much longer the makespan is than with everything on, percent, seed by seed; below 0: shorter. */
	readonly changePercent: Estimate | null;
	/** The same, against nothing on. */
	readonly changeFromNonePercent: Estimate | null;
	/** Accuracy less that with everything on, percentage points, on the same draws; null when correctness is unknown. */
	readonly accuracyChangePoints: Estimate | null;
}

/**
 * @param summaries of one gate, one per variant and seed
 * @param variants with everything on first; those without runs are left out
 * @throws UsageError as compareSummaries does
 */
export function ablate(summaries: readonly Summary[], variants: readonly AblationVariant[]): Ablation {
	const nameOf = (kind: AblationVariant['kind']): string | undefined =>
		variants.find((variant) => variant.kind === kind)?.scheduler;
	const all = nameOf('all');
	const none = nameOf('none');
	const { rows, baseline, ...rest } = compareSummaries(summaries, all);
	const hasNone = rows.some(({ scheduler }) => scheduler === none);
	const fromNone = hasNone ? compareSummaries(summaries, none).rows : [];
	const complete = summaries.filter(({ scheduler }) => scheduler === all);
	return {
		...rest,
		baseline,
		gate: rows[0]?.gate ?? '',
		rows: variants.flatMap((variant) => {
			const row = rows.find(({ scheduler }) => scheduler === variant.scheduler);
			if (row === undefined) return [];
			const again = fromNone.find(({ scheduler }) => scheduler === variant.scheduler);
			const own = summaries.filter(({ scheduler }) => scheduler === variant.scheduler);
			return [
				{
					...row,
					...variant,
					changePercent: changeOf(row.speedup),
					changeFromNonePercent: changeOf(again?.speedup ?? null),
					accuracyChangePoints: accuracyChange(own, complete),
				},
			];
		}),
	};
}

/** A speed-up said as how much longer it takes. */
function changeOf(speedup: Estimate | null): Estimate | null {
	if (speedup === null) return null;
	const longer = (ratio: number): number => 100 * (1 / ratio - 1);
	return { mean: longer(speedup.mean), low: longer(speedup.high), high: longer(speedup.low) };
}

/** Both are known against aggregating everything on the same draws, so their difference is that of the two. */
function accuracyChange(own: readonly Summary[], complete: readonly Summary[]): Estimate | null {
	const points = own.map(({ seed, accuracy }) => {
		const other = complete.find((summary) => summary.seed === seed)?.accuracy.deltaPoints;
		return accuracy.deltaPoints === null || other == null ? null : accuracy.deltaPoints - other;
	});
	const known = points.filter((each) => each !== null);
	return known.length < points.length || known.length === 0 ? null : estimate(known);
}
