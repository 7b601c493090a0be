import { Columns, type MipModel, Rows, type Term } from '../ilp/mip-model.ts';
import { chainCuts } from './cuts.ts';
import type { CurveInstance } from './instance.ts';
import type { Pattern } from './patterns.ts';

/** A program on patterns, and which of its columns stands for what. */
export interface PatternProgram {
	readonly mip: MipModel;
	/** Column of each corner of each pattern: workers that do it. */
	readonly cornerColumns: readonly (readonly number[])[];
}

/**
 * How much of the work fits, patterns being divisible: columns q (share of every expert's calls that is served) and w[p,c] >= 0 (workers
 * at corner c of pattern p).
 *
 *     maximize q
 *     sum_p,c  x[p,c,m] / N_m w[p,c] - q >= 0     for all experts m
 *     sum_p,c  w[p,c] <= workers_t                for all types t, over their patterns
 *     longest-chain cuts                          (cuts.ts), with sum_c w[p,c] for z[p]
 *
 * q < 1 proves that no plan keeps the deadline of the patterns.
 */
export function servedProgram(instance: CurveInstance, patterns: readonly Pattern[]): PatternProgram {
	const columns = new Columns();
	const served = columns.add('q', -1, 0, Number.POSITIVE_INFINITY, false);
	const cornerColumns = patterns.map(({ corners }, p) =>
		corners.map((_, c) => columns.add(`w[${p},${c}]`, 0, 0, Number.POSITIVE_INFINITY, false)),
	);
	const rows = new Rows();
	addExpertRows(rows, instance, patterns, cornerColumns, [served, -1], 0);
	instance.types.forEach(({ gpus }, type) => {
		const terms = patterns.flatMap((pattern, p): Term[] =>
			pattern.type === type ? (cornerColumns[p] ?? []).map((column) => [column, 1]) : [],
		);
		rows.add(`workers[${type}]`, Number.NEGATIVE_INFINITY, gpus.length, terms);
	});
	addCutRows(rows, instance, patterns, cornerColumns);
	return { mip: { ...columns.arrays(), ...rows.arrays() }, cornerColumns };
}

/**
 * Whether whole workers can do it: columns z[p] (workers of pattern p, whole) and w[p,c] >= 0.
 *
 *     sum_c w[p,c] - z[p] = 0                     for all patterns p
 *     sum_p,c x[p,c,m] / N_m w[p,c] >= 1          for all experts m
 *     sum_p z[p] <= workers_t                     for all types t
 *     longest-chain cuts                          (cuts.ts)
 *
 * There is nothing to minimize: any point will do.
 */
export function wholeProgram(instance: CurveInstance, patterns: readonly Pattern[]): PatternProgram {
	const columns = new Columns();
	const rows = new Rows();
	const workersOf = (type: number): number => instance.types[type]?.gpus.length ?? 0;
	const patternColumns = patterns.map(({ type }, p) => columns.add(`z[${p}]`, 0, 0, workersOf(type), true));
	const cornerColumns = patterns.map(({ corners }, p) => {
		// A pattern of one corner is that corner.
		if (corners.length === 1) return [patternColumns[p] ?? 0];
		const own = corners.map((_, c) => columns.add(`w[${p},${c}]`, 0, 0, Number.POSITIVE_INFINITY, false));
		rows.add(`whole[${p}]`, 0, 0, [[patternColumns[p] ?? 0, -1], ...own.map((column): Term => [column, 1])]);
		return own;
	});
	addExpertRows(rows, instance, patterns, cornerColumns, [null, 0], 1);
	instance.types.forEach(({ gpus }, type) => {
		const terms = patterns.flatMap((pattern, p): Term[] =>
			pattern.type === type ? [[patternColumns[p] ?? 0, 1]] : [],
		);
		rows.add(`workers[${type}]`, Number.NEGATIVE_INFINITY, gpus.length, terms);
	});
	addCutRows(
		rows,
		instance,
		patterns,
		patternColumns.map((column) => [column]),
	);
	return { mip: { ...columns.arrays(), ...rows.arrays() }, cornerColumns };
}

function addExpertRows(
	rows: Rows,
	{ experts }: CurveInstance,
	patterns: readonly Pattern[],
	cornerColumns: readonly (readonly number[])[],
	extra: Term,
	least: number,
): void {
	const terms = experts.map((): Term[] => [extra]);
	patterns.forEach(({ members, corners }, p) => {
		corners.forEach((calls, c) => {
			members.forEach(({ expert }, i) => {
				const share = (calls[i] ?? 0) / (experts[expert]?.calls ?? 1);
				terms[expert]?.push([cornerColumns[p]?.[c] ?? null, share]);
			});
		});
	});
	experts.forEach(({ model }, m) => {
		rows.add(`served[${model}]`, least, Number.POSITIVE_INFINITY, terms[m] ?? []);
	});
}

function addCutRows(
	rows: Rows,
	instance: CurveInstance,
	patterns: readonly Pattern[],
	columnsOf: readonly (readonly number[])[],
): void {
	chainCuts(instance, patterns).forEach(({ factors, least }, i) => {
		const terms = patterns.flatMap((_, p): Term[] => {
			const factor = factors[p] ?? 0;
			return factor > 0 ? (columnsOf[p] ?? []).map((column) => [column, factor]) : [];
		});
		rows.add(`cut[${i}]`, least, Number.POSITIVE_INFINITY, terms);
	});
}
