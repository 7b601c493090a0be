import type { Formulation } from './formulate.ts';
import type { Placement } from './instance.ts';

/**
 * Calls per expert and worker from the solver's column values, which are integral up to its tolerance only. A load without calls is
 * dropped: it costs time and serves nobody.
 * @returns null when calls stand where the model is not loaded (the solver's tolerance was used up)
 */
export function decodePlacement(formulation: Formulation, values: Float64Array): Placement | null {
	const at = (column: number | null): number => (column === null ? 0 : Math.round(values[column] ?? 0) + 0);
	let isSound = true;
	const placement = formulation.callColumns.map((columns, m) =>
		columns.map((column, n) => {
			const calls = at(column);
			if (calls > 0 && at(formulation.loadColumns[m]?.[n] ?? null) !== 1) isSound = false;
			return calls;
		}),
	);
	return isSound ? placement : null;
}
