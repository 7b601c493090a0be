import type { CurveInstance } from './instance.ts';
import type { Pattern } from './patterns.ts';

/**
 * Rounding of sum_p a_p z_p >= need with whole z_p >= 0 (mixed-integer rounding: G. Nemhauser and L. Wolsey, "A recursive procedure to
 * generate all cuts for 0-1 mixed integer programs", 1990):
 *
 *     sum_p (floor(a_p) + min(1, frac(a_p) / frac(need))) z_p >= ceil(need)
 */
export interface Rounding {
	readonly least: number;
	factorOf(a: number): number;
}

/** Remainders below this make factors that the solver's tolerance does not stand. */
const LEAST_REMAINDER = 0.01;
/** Both sides are moved by so much, so that rounding errors make the cut weaker, never wrong. */
const SAFETY = 1e-9;

/** @returns null where rounding gains nothing */
export function roundingOf(need: number): Rounding | null {
	const remainder = need - SAFETY - Math.floor(need - SAFETY);
	if (remainder < LEAST_REMAINDER) return null;
	return {
		least: Math.ceil(need - SAFETY),
		factorOf: (a) => {
			const whole = Math.floor(a + SAFETY);
			return whole + Math.min(1, (a + SAFETY - whole) / remainder);
		},
	};
}

/** A row on the workers of each pattern. */
export interface CutRow {
	readonly factors: readonly number[];
	readonly least: number;
}

/**
 * Longest-chain cuts: for each expert and type of worker, calls are counted in units of the most that one worker of the type can serve. They
 * say how many sessions the expert needs, and a session too small to make up for a missing one counts in part only. (Cuts on two or three
 * experts at once were tried too; they raised the bound by 0.1 % at most.)
 */
export function chainCuts(
	{ experts, types }: CurveInstance,
	patterns: readonly Pattern[],
): readonly CutRow[] {
	const mostOf = (expert: number): readonly number[] =>
		patterns.map(({ members, corners }) => {
			const member = members.findIndex((candidate) => candidate.expert === expert);
			return member < 0 ? 0 : Math.max(...corners.map((calls) => calls[member] ?? 0));
		});
	return experts.flatMap(({ calls }, expert) => {
		const most = mostOf(expert);
		const units = new Set(
			types.map((_, type) =>
				most.reduce((top, count, p) => (patterns[p]?.type === type ? Math.max(top, count) : top), 0),
			),
		);
		return [...units].flatMap((unit) => {
			const rounding = unit === 0 ? null : roundingOf(calls / unit);
			if (rounding === null) return [];
			const factors = most.map((count) => (count === 0 ? 0 : rounding.factorOf(count / unit)));
			return [{ factors, least: rounding.least }];
		});
	});
}
