import { Columns, type MipModel, Rows, type Term } from '../ilp/mip-model.ts';
import { piecesOf } from './curve.ts';
import { roundingOf } from './cuts.ts';
import type { CurveInstance } from './instance.ts';

/**
 * How much of the work fits when the workers of a type share their time and seats: what is left of the patterns when there are too many of
 * them to list. Columns q (share of every expert's calls that is served) and w[m,t,i,k] >= 0 (sessions of expert m on type t at point k of
 * piece i).
 *
 *     maximize q
 *     sum x[m,t,i,k] / N_m w - q >= 0                    for all experts m
 *     sum s[m,t,i,k] w <= deadline workers_t            for all types t: area
 *     sum w <= K workers_t                              for all types t: seats
 *     rounding cuts on the sessions of each expert      (cuts.ts)
 *
 * q < 1 proves that no plan keeps the deadline.
 */
export function sessionsProgram(
	{ experts, types, maxModelsPerWorker }: CurveInstance,
	deadlineSeconds: number,
	toleranceSeconds: number,
): MipModel {
	const columns = new Columns();
	const rows = new Rows();
	const served = columns.add('q', -1, 0, Number.POSITIVE_INFINITY, false);
	const areaTerms = types.map((): Term[] => []);
	const seatTerms = types.map((): Term[] => []);
	experts.forEach(({ model, calls, curves }) => {
		const servedTerms: Term[] = [[served, -1]];
		const sessions: { readonly column: number; readonly type: number; readonly most: number }[] = [];
		curves.forEach((curve, type) => {
			const pieces = curve === null ? [] : piecesOf(curve, deadlineSeconds, toleranceSeconds);
			pieces.forEach((piece, i) => {
				piece.calls.forEach((count, k) => {
					const column = columns.add(`w[${model},${type},${i},${k}]`, 0, 0, Number.POSITIVE_INFINITY, false);
					servedTerms.push([column, count / calls]);
					areaTerms[type]?.push([column, (piece.seconds[k] ?? 0) / deadlineSeconds]);
					seatTerms[type]?.push([column, 1]);
					sessions.push({ column, type, most: piece.calls.at(-1) ?? 0 });
				});
			});
		});
		rows.add(`served[${model}]`, 0, Number.POSITIVE_INFINITY, servedTerms);
		const units = new Set(
			types.map((_, type) =>
				sessions.reduce((most, session) => (session.type === type ? Math.max(most, session.most) : most), 0),
			),
		);
		for (const unit of units) {
			if (unit === 0) continue;
			const rounding = roundingOf(calls / unit);
			if (rounding === null) continue;
			rows.add(
				`cut[${model},${unit}]`,
				rounding.least,
				Number.POSITIVE_INFINITY,
				sessions.map(({ column, most }): Term => [column, rounding.factorOf(most / unit)]),
			);
		}
	});
	types.forEach(({ gpus }, type) => {
		rows.add(`area[${type}]`, Number.NEGATIVE_INFINITY, gpus.length, areaTerms[type] ?? []);
		rows.add(
			`seats[${type}]`,
			Number.NEGATIVE_INFINITY,
			gpus.length * maxModelsPerWorker,
			seatTerms[type] ?? [],
		);
	});
	return { ...columns.arrays(), ...rows.arrays() };
}
