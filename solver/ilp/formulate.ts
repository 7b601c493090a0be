import type { Placement, PlacementInstance } from './instance.ts';
import { Columns, type MipModel, Rows, type Term } from './mip-model.ts';

export interface Formulation {
	readonly mip: MipModel;
	/** What each column and row stands for; the solver never sees names. */
	readonly columnNames: readonly string[];
	readonly rowNames: readonly string[];
	/** Column of Y[m,n] and X[m,n], `index[m][n]`; null where the model does not fit the worker. */
	readonly loadColumns: readonly (readonly (number | null)[])[];
	readonly callColumns: readonly (readonly (number | null)[])[];
}

/** Column of C. */
const MAKESPAN_COLUMN = 0;

/**
 * Equations 4 to 10 of the paper (arXiv 2606.03014, section 4): columns C >= 0, then Y[m,n] in {0, 1} and X[m,n] in 0..N_m for every expert m
 * and every worker n that can hold it.
 *
 *     minimize C
 *     (4, 10)  sum_m l[m,n] Y[m,n] + sum_m tau[m,n] X[m,n] - C <= 0      for all n
 *     (5)      sum_n X[m,n] = N_m                                       for all m
 *     (6)      X[m,n] - N_m Y[m,n] <= 0                                 for all m, n
 *     (7)      1 <= sum_n Y[m,n] <= Rmax_m                              for all m
 *     (9)      sum_m Y[m,n] <= K                                        for all n
 *
 * Costs carry a worker index, since GPUs may be of several types. Experts without calls are not in the instance: (7) taken literally would
 * load them for nothing.
 *
 * @param lowerBoundSeconds proven for every plan (placementBoundSeconds); the lower bound of C. Without it the relaxation, which loads
 * fractions of models, proves little on many workers.
 */
export function formulate(instance: PlacementInstance, lowerBoundSeconds: number): Formulation {
	const { experts, workers, maxModelsPerWorker } = instance;
	const columns = new Columns();
	const rows = new Rows();
	columns.add('C', 1, lowerBoundSeconds, Number.POSITIVE_INFINITY, false);
	const loadColumns = experts.map(({ model, costs }) =>
		costs.map((cost, n) => (cost === null ? null : columns.add(`Y[${model},${n}]`, 0, 0, 1, true))),
	);
	const callColumns = experts.map(({ model, calls, costs }) =>
		costs.map((cost, n) => (cost === null ? null : columns.add(`X[${model},${n}]`, 0, 0, calls, true))),
	);
	const onWorker = (index: readonly (readonly (number | null)[])[], n: number): (number | null)[] =>
		index.map((row) => row[n] ?? null);

	workers.forEach((_, n) => {
		const terms: Term[] = [[MAKESPAN_COLUMN, -1]];
		experts.forEach(({ costs }, m) => {
			const cost = costs[n] ?? null;
			if (cost === null) return;
			terms.push([loadColumns[m]?.[n] ?? null, cost.loadSeconds]);
			terms.push([callColumns[m]?.[n] ?? null, cost.secondsPerCall]);
		});
		rows.add(`T[${n}] <= C`, Number.NEGATIVE_INFINITY, 0, terms);
	});
	experts.forEach(({ model, calls, cap }, m) => {
		rows.add(`served[${model}]`, calls, calls, ones(callColumns[m] ?? []));
		workers.forEach((_, n) => {
			const load = loadColumns[m]?.[n] ?? null;
			if (load === null) return;
			const terms: Term[] = [
				[callColumns[m]?.[n] ?? null, 1],
				[load, -calls],
			];
			rows.add(`loaded[${model},${n}]`, Number.NEGATIVE_INFINITY, 0, terms);
		});
		rows.add(`replicas[${model}]`, 1, cap, ones(loadColumns[m] ?? []));
	});
	workers.forEach((_, n) => {
		rows.add(`seats[${n}]`, Number.NEGATIVE_INFINITY, maxModelsPerWorker, ones(onWorker(loadColumns, n)));
	});
	return {
		mip: { ...columns.arrays(), ...rows.arrays() },
		columnNames: columns.names,
		rowNames: rows.names,
		loadColumns,
		callColumns,
	};
}

/** Column values of a placement, for a start. */
export function columnValues(
	formulation: Formulation,
	placement: Placement,
	makespanSeconds: number,
): Float64Array {
	const values = new Float64Array(formulation.columnNames.length);
	values[MAKESPAN_COLUMN] = makespanSeconds;
	placement.forEach((row, m) => {
		row.forEach((calls, n) => {
			const load = formulation.loadColumns[m]?.[n] ?? null;
			const call = formulation.callColumns[m]?.[n] ?? null;
			if (load === null || call === null || calls === 0) return;
			values[load] = 1;
			values[call] = calls;
		});
	});
	return values;
}

/**
 * A bound on C that holds for every plan of (4) to (9). Some worker takes at least the mean: every expert is loaded at least once and
 * generates N_m calls somewhere, on r workers it costs r loads more, so all workers together spend at least sum_m (l_m + N_m tau_m). And
 * an expert on r <= Rmax_m workers keeps the last of them for at least l_m + N_m tau_m / r. Each with the cheapest worker's costs.
 */
export function placementBoundSeconds({ experts, workers }: PlacementInstance): number {
	let sumSeconds = 0;
	let longestSeconds = 0;
	for (const { calls, cap, costs } of experts) {
		const known = costs.filter((cost) => cost !== null);
		const loadSeconds = Math.min(...known.map((cost) => cost.loadSeconds));
		const callsSeconds = calls * Math.min(...known.map((cost) => cost.secondsPerCall));
		sumSeconds += loadSeconds + callsSeconds;
		longestSeconds = Math.max(
			longestSeconds,
			loadSeconds + callsSeconds / Math.min(cap, known.length, calls),
		);
	}
	return Math.max(longestSeconds, sumSeconds / workers.length);
}

const ones = (columns: readonly (number | null)[]): Term[] => columns.map((column) => [column, 1]);
