import type { ModelId } from '../../sim/domain/ids.ts';
import type { Call } from '../../sim/domain/work.ts';

interface Ranked {
	readonly call: Call;
	readonly tokens: number;
}

/** Lists of calls in one, the longest first. Lists never change, and most stay from one decision to the next: what was sorted is kept. */
export class LongestFirst {
	private readonly sorted = new WeakMap<readonly Call[], readonly Ranked[]>();
	private readonly merged = new Map<
		ModelId,
		{ readonly lists: readonly (readonly Call[])[]; readonly calls: readonly Call[] }
	>();

	/** @param tokensOf how long it is; of equal ones, that of the first list comes first */
	merge(
		model: ModelId,
		lists: readonly (readonly Call[])[],
		tokensOf: (call: Call) => number,
	): readonly Call[] {
		const last = this.merged.get(model);
		if (last?.lists.length === lists.length && last.lists.every((list, index) => list === lists[index]))
			return last.calls;
		const calls = this.mergeSorted(lists.map((list) => this.sort(list, tokensOf)));
		this.merged.set(model, { lists, calls });
		return calls;
	}

	private sort(list: readonly Call[], tokensOf: (call: Call) => number): readonly Ranked[] {
		let ranked = this.sorted.get(list);
		if (ranked === undefined) {
			ranked = list.map((call) => ({ call, tokens: tokensOf(call) })).sort((a, b) => b.tokens - a.tokens);
			this.sorted.set(list, ranked);
		}
		return ranked;
	}

	private mergeSorted(lists: readonly (readonly Ranked[])[]): readonly Call[] {
		const next = lists.map(() => 0);
		const calls: Call[] = [];
		for (;;) {
			let best: Ranked | undefined;
			let from = 0;
			lists.forEach((list, index) => {
				const ranked = list[next[index] ?? 0];
				if (ranked === undefined || (best !== undefined && ranked.tokens <= best.tokens)) return;
				best = ranked;
				from = index;
			});
			if (best === undefined) return calls;
			calls.push((best as Ranked).call);
			next[from] = (next[from] ?? 0) + 1;
		}
	}
}
