import { type CoverRows, solveCover } from './cover-program.ts';
import { chainCuts } from './cuts.ts';
import type { CurveInstance } from './instance.ts';
import type { Pattern } from './patterns.ts';

/** Workers at each corner of each pattern. */
export type CornerWorkers = readonly (readonly number[])[];

export interface WholeAnswer {
	/** `kept` with whole workers of every pattern; `missed`: proven that no whole workers keep the deadline; `unknown` after too many nodes. */
	readonly kind: 'kept' | 'missed' | 'unknown';
	readonly workers: CornerWorkers | null;
	readonly nodes: number;
}

/**
 * Whether divisible workers can keep the deadline of the patterns: the rows of `servedProgram` with q = 1, solved here.
 * @returns null when the solver does not know
 */
export function coverDivided(
	instance: CurveInstance,
	patterns: readonly Pattern[],
): { readonly isKept: boolean; readonly workers: CornerWorkers | null } | null {
	const program = new Cover(instance, patterns);
	const answer = program.solve([]);
	if (answer.kind === 'unknown') return null;
	return answer.kind === 'none'
		? { isKept: false, workers: null }
		: { isKept: true, workers: program.shape(answer.values) };
}

/**
 * The same for whole workers, by branch and bound: first on the number of sessions of an expert on a type of worker, which says most, then
 * on the workers of a pattern. For few patterns: each node is solved anew.
 * @param isLate whether to give up
 */
export function coverWhole(
	instance: CurveInstance,
	patterns: readonly Pattern[],
	mostNodes: number,
	isLate: () => boolean,
): WholeAnswer {
	const program = new Cover(instance, patterns);
	const open: Branch[][] = [[]];
	let isSure = true;
	let nodes = 0;
	while (nodes < mostNodes && !isLate()) {
		const branches = open.pop();
		if (branches === undefined) return { kind: isSure ? 'missed' : 'unknown', workers: null, nodes };
		nodes++;
		const answer = program.solve(branches);
		if (answer.kind === 'none') continue;
		if (answer.kind === 'unknown') {
			isSure = false;
			continue;
		}
		const branch = program.branchOn(answer.values);
		if (branch === null) return { kind: 'kept', workers: program.shape(answer.values), nodes };
		const { patterns: on, at } = branch;
		// The last one is looked at first: more of something is closer to a plan.
		open.push([...branches, { patterns: on, at: Math.floor(at), isMost: true }]);
		open.push([...branches, { patterns: on, at: Math.ceil(at), isMost: false }]);
	}
	return { kind: 'unknown', workers: null, nodes };
}

/** So many workers, at most or at least, do one of these patterns. */
interface Branch {
	readonly patterns: readonly number[];
	readonly at: number;
	readonly isMost: boolean;
}

/** Further from whole numbers than this is divided. */
const WHOLE = 1e-6;

class Cover {
	private readonly patterns: readonly Pattern[];
	/** First column of each pattern's corners. */
	private readonly first: readonly number[];
	private readonly columns: number;
	private readonly fixed: CoverRows;
	private readonly workers: number;
	/** Patterns with a session of one expert on one type, for all of them. */
	private readonly sessions: readonly (readonly number[])[];

	constructor(instance: CurveInstance, patterns: readonly Pattern[]) {
		this.patterns = patterns;
		let columns = 0;
		this.first = patterns.map(({ corners }) => {
			columns += corners.length;
			return columns - corners.length;
		});
		this.columns = columns;
		this.workers = instance.types.reduce((sum, { gpus }) => sum + gpus.length, 0);
		this.fixed = this.fixedRows(instance);
		const all = patterns.map((_, p) => p);
		this.sessions = instance.types.flatMap((_, type) =>
			instance.experts.map((_, expert) =>
				all.filter(
					(p) =>
						patterns[p]?.type === type && patterns[p]?.members.some((member) => member.expert === expert),
				),
			),
		);
	}

	solve(branches: readonly Branch[]): ReturnType<typeof solveCover> {
		const extra = branches.map(({ patterns, isMost }) => this.rowOn(patterns, isMost ? -1 : 1));
		const limits = branches.map(({ at, isMost }) => (isMost ? -at : at));
		return solveCover(
			{ rows: [...this.fixed.rows, ...extra], least: [...this.fixed.least, ...limits] },
			this.workers,
		);
	}

	shape(values: Float64Array): CornerWorkers {
		return this.patterns.map(({ corners }, p) => [
			...values.subarray(this.first[p] ?? 0, (this.first[p] ?? 0) + corners.length),
		]);
	}

	/** What is divided the most. */
	branchOn(values: Float64Array): { readonly patterns: readonly number[]; readonly at: number } | null {
		const counts = this.shape(values).map((own) => own.reduce((sum, part) => sum + part, 0));
		const single = counts.map((_, p) => [p]);
		for (const groups of [this.sessions, single]) {
			let best: { readonly patterns: readonly number[]; readonly at: number } | null = null;
			let most = WHOLE;
			for (const patterns of groups) {
				const at = patterns.reduce((sum, p) => sum + (counts[p] ?? 0), 0);
				const divided = Math.min(at - Math.floor(at), Math.ceil(at) - at);
				if (divided <= most) continue;
				most = divided;
				best = { patterns, at };
			}
			if (best !== null) return best;
		}
		return null;
	}

	private fixedRows(instance: CurveInstance): CoverRows {
		const { experts, types } = instance;
		const rows: Float64Array[] = [];
		const least: number[] = [];
		experts.forEach(({ calls }, expert) => {
			const row = new Float64Array(this.columns);
			this.patterns.forEach(({ members, corners }, p) => {
				const member = members.findIndex((candidate) => candidate.expert === expert);
				if (member < 0) return;
				corners.forEach((corner, c) => {
					row[(this.first[p] ?? 0) + c] = (corner[member] ?? 0) / calls;
				});
			});
			rows.push(row);
			least.push(1);
		});
		types.forEach(({ gpus }, type) => {
			const own = this.patterns.flatMap((pattern, p) => (pattern.type === type ? [p] : []));
			rows.push(this.rowOn(own, -1));
			least.push(-gpus.length);
		});
		for (const cut of chainCuts(instance, this.patterns)) {
			const row = new Float64Array(this.columns);
			this.patterns.forEach(({ corners }, p) => {
				row.fill(cut.factors[p] ?? 0, this.first[p] ?? 0, (this.first[p] ?? 0) + corners.length);
			});
			rows.push(row);
			least.push(cut.least);
		}
		return { rows, least };
	}

	private rowOn(patterns: readonly number[], factor: number): Float64Array {
		const row = new Float64Array(this.columns);
		for (const p of patterns) {
			const first = this.first[p] ?? 0;
			row.fill(factor, first, first + (this.patterns[p]?.corners.length ?? 0));
		}
		return row;
	}
}
