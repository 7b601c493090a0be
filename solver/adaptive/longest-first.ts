import type { Call } from '../../sim/domain/work.ts';

/** Calls in order, with what they are ordered by. */
export interface Ranked {
	readonly calls: readonly Call[];
	readonly tokensAt: (index: number) => number;
}

/** Lists of calls, the longest first. Lists never change, and many stay from one decision to the next: what was sorted is kept. */
export class LongestFirst {
	private readonly known = new WeakMap<readonly Call[], Ranked>();

	/** @param tokensOf how long it is; equal ones stay in the order of the list */
	rank(list: readonly Call[], tokensOf: (call: Call) => number): Ranked {
		let ranked = this.known.get(list);
		if (ranked === undefined) {
			ranked = sort(list, tokensOf);
			this.known.set(list, ranked);
		}
		return ranked;
	}
}

/** Many calls are thought to be equally long. */
function sort(list: readonly Call[], tokensOf: (call: Call) => number): Ranked {
	const groups = new Map<number, Call[]>();
	for (const call of list) {
		const tokens = tokensOf(call);
		const group = groups.get(tokens);
		if (group === undefined) groups.set(tokens, [call]);
		else group.push(call);
	}
	const ordered = [...groups].sort(([a], [b]) => b - a);
	const tokens = ordered.flatMap(([each, { length }]) => new Array<number>(length).fill(each));
	return { calls: ordered.flatMap(([, calls]) => calls), tokensAt: (index) => tokens[index] ?? 0 };
}
