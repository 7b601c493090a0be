import type { CurveInstance } from './instance.ts';
import type { Shares, WorkerTypes } from './local-search.ts';
import type { Pattern } from './patterns.ts';

/**
 * Shares of a divisible solution on whole workers: every pattern gets the whole workers that it has, then those with the largest parts get
 * one more while there are workers. What each expert then has too little or too much is made up in proportion. It serves all calls within
 * K, and by no particular time: a start for a search.
 * @param corners workers at each corner of each pattern
 * @returns null when an expert has no session left and no worker a seat for it
 */
export function roundWorkers(
	instance: CurveInstance,
	types: WorkerTypes,
	patterns: readonly Pattern[],
	corners: readonly (readonly number[])[],
): Shares | null {
	const { experts, maxModelsPerWorker } = instance;
	const shares = types.map(() => experts.map(() => 0));
	instance.types.forEach((_, type) => {
		const free = shares.filter((_, worker) => types[worker] === type);
		for (const { pattern, own, count } of wholeCounts(patterns, corners, type, free.length))
			for (let i = 0; i < count; i++) {
				const row = free.shift();
				if (row === undefined) return;
				pattern.members.forEach(({ expert }, member) => {
					row[expert] = averageCalls(pattern, own, member);
				});
			}
	});
	for (const [m, { calls, curves }] of experts.entries()) {
		const served = shares.reduce((sum, row) => sum + (row[m] ?? 0), 0);
		if (served === 0) {
			const seat = shares.find(
				(row, worker) =>
					row.filter((count) => count > 0).length < maxModelsPerWorker &&
					(curves[types[worker] ?? 0] ?? null) !== null,
			);
			if (seat === undefined) return null;
			seat[m] = calls;
			continue;
		}
		let left = calls;
		const holders = shares.filter((row) => (row[m] ?? 0) > 0);
		holders.forEach((row, i) => {
			const share = Math.round(((row[m] ?? 0) / served) * calls);
			row[m] = i === holders.length - 1 ? left : Math.min(left, share);
			left -= row[m] ?? 0;
		});
	}
	return shares;
}

interface WholeCount {
	readonly pattern: Pattern;
	/** Workers at each of its corners. */
	readonly own: readonly number[];
	readonly count: number;
}

function wholeCounts(
	patterns: readonly Pattern[],
	corners: readonly (readonly number[])[],
	type: number,
	workers: number,
): readonly WholeCount[] {
	const parts = patterns.flatMap((pattern, p) => {
		const own = corners[p] ?? [];
		const divisible = own.reduce((sum, part) => sum + part, 0);
		const whole = Math.floor(divisible + 1e-6);
		return pattern.type === type && divisible > 1e-6
			? [{ pattern, own, whole, part: divisible - whole }]
			: [];
	});
	let left = workers - parts.reduce((sum, { whole }) => sum + whole, 0);
	return parts
		.sort((a, b) => b.part - a.part)
		.map(({ pattern, own, whole, part }) => {
			const more = left > 0 && part > 1e-6 ? 1 : 0;
			left -= more;
			return { pattern, own, count: whole + more };
		});
}

function averageCalls({ corners }: Pattern, own: readonly number[], member: number): number {
	const workers = own.reduce((sum, part) => sum + part, 0);
	return corners.reduce((sum, calls, c) => sum + ((own[c] ?? 0) * (calls[member] ?? 0)) / workers, 0);
}
