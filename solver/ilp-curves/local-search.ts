import type { CurveInstance } from './instance.ts';
import { createRandom } from './random.ts';

/** Calls of expert m on worker w, `calls[w][m]`. */
export type Shares = readonly (readonly number[])[];

/** Type of each worker, as an index into the instance's types. */
export type WorkerTypes = readonly number[];

export interface SearchLimits {
	/** The search ends when the busiest worker is done by then. */
	readonly enoughSeconds: number;
	readonly moves: number;
	/** Of its random numbers. */
	readonly seed: number;
}

/** Part of the best makespan by which the next one has to be shorter. */
const STEP = 0.0005;
/** Temperatures, as parts of the deadline, at the first and the last move. */
const HOT = 0.01;
const COLD = 0.0003;

/**
 * Simulated annealing on the shares themselves: moves calls between workers, whole sessions or as many as level two of them, and swaps
 * sessions, while what lies beyond a deadline gets less; each time nothing does, the deadline comes closer. Every state obeys K and the
 * memory limits and serves all calls. It is repeatable: its random numbers are its own, and it counts moves, not time.
 * @returns the best shares it has seen, `start` if there are none better, and the moves it has tried
 */
export function searchShares(
	instance: CurveInstance,
	types: WorkerTypes,
	start: Shares,
	{ enoughSeconds, moves, seed }: SearchLimits,
): { readonly shares: Shares; readonly seconds: number; readonly moves: number } {
	const state = new SearchState(instance, types, start);
	const random = createRandom(seed);
	let best = start;
	let bestSeconds = state.makespan();
	let deadline = Math.max(enoughSeconds, bestSeconds * (1 - STEP));
	let excess = state.excess(deadline);
	let move = 0;
	for (; move < moves && bestSeconds > enoughSeconds; move++) {
		const temperature = deadline * HOT * (COLD / HOT) ** (move / moves);
		const change = state.propose(random, deadline);
		if (change === null) continue;
		if (change > 0 && random() >= Math.exp(-change / temperature)) {
			state.undo();
			continue;
		}
		excess += change;
		// Sums of many changes drift: what looks like nothing is counted anew.
		if (excess > 1e-6 * deadline) continue;
		excess = state.excess(deadline);
		if (excess > 0) continue;
		best = state.shares();
		bestSeconds = state.makespan();
		deadline = Math.max(enoughSeconds, bestSeconds * (1 - STEP));
		excess = state.excess(deadline);
	}
	return { shares: best, seconds: bestSeconds, moves: move };
}

class SearchState {
	private readonly experts: number;
	private readonly workers: number;
	private readonly seats: number;
	private readonly types: WorkerTypes;
	private readonly curves: readonly (readonly (FastCurve | null)[])[];
	private readonly calls: Int32Array;
	/** Of each session, and of each worker's sessions together. */
	private readonly seconds: Float64Array;
	private readonly busySeconds: Float64Array;
	private readonly models: Int32Array;
	/** Of the last move: worker, expert and calls as they were. */
	private readonly undone: [worker: number, expert: number, calls: number][] = [];

	constructor(instance: CurveInstance, types: WorkerTypes, start: Shares) {
		this.experts = instance.experts.length;
		this.workers = types.length;
		this.seats = instance.maxModelsPerWorker;
		this.types = types;
		this.curves = instance.types.map((_, type) =>
			instance.experts.map(({ curves }) => {
				const curve = curves[type] ?? null;
				return curve === null ? null : new FastCurve(curve.calls, curve.seconds);
			}),
		);
		this.calls = new Int32Array(this.workers * this.experts);
		this.seconds = new Float64Array(this.workers * this.experts);
		this.busySeconds = new Float64Array(this.workers);
		this.models = new Int32Array(this.workers);
		start.forEach((row, worker) => {
			row.forEach((calls, expert) => {
				if (calls > 0) this.set(worker, expert, calls);
			});
		});
	}

	makespan(): number {
		return this.busySeconds.reduce((longest, seconds) => Math.max(longest, seconds), 0);
	}

	excess(deadline: number): number {
		return this.busySeconds.reduce((sum, seconds) => sum + Math.max(0, seconds - deadline), 0);
	}

	shares(): Shares {
		return this.types.map((_, worker) => [
			...this.calls.subarray(worker * this.experts, (worker + 1) * this.experts),
		]);
	}

	/** Makes a move. @returns by how much the excess over the deadline grows; null when the move was none */
	propose(random: () => number, deadline: number): number | null {
		this.undone.length = 0;
		const from = this.pickWorker(random, deadline);
		const expert = this.pickSession(random, from);
		const to = this.pickOther(random, from, expert);
		if (to < 0) return null;
		const before = this.over(from, deadline) + this.over(to, deadline);
		const isMove =
			random() < 0.6 ? this.shift(random, from, to, expert, deadline) : this.swap(random, from, to, expert);
		if (!isMove) {
			this.undo();
			return null;
		}
		return this.over(from, deadline) + this.over(to, deadline) - before;
	}

	undo(): void {
		for (let i = this.undone.length - 1; i >= 0; i--) {
			const [worker, expert, calls] = this.undone[i] ?? [0, 0, 0];
			this.set(worker, expert, calls);
		}
		this.undone.length = 0;
	}

	/** Mostly one that is late. */
	private pickWorker(random: () => number, deadline: number): number {
		let worker = Math.floor(random() * this.workers);
		if (random() < 0.45) return worker;
		for (let i = 0; i < this.workers; i++) {
			if ((this.busySeconds[worker] ?? 0) > deadline) return worker;
			worker = worker + 1 === this.workers ? 0 : worker + 1;
		}
		return worker;
	}

	/** Any session of this worker, -1 when it has none. */
	private pickSession(random: () => number, worker: number): number {
		let left = Math.floor(random() * (this.models[worker] ?? 0));
		for (let expert = 0; expert < this.experts; expert++)
			if (this.callsOf(worker, expert) > 0 && left-- === 0) return expert;
		return -1;
	}

	/** Another worker: every other time one that has this model already, where there is one. */
	private pickOther(random: () => number, from: number, expert: number): number {
		if (expert < 0 || this.workers < 2) return -1;
		const first = Math.floor(random() * this.workers);
		if (random() < 0.6)
			for (let i = 0; i < this.workers; i++) {
				const worker = (first + i) % this.workers;
				if (worker !== from && this.callsOf(worker, expert) > 0) return worker;
			}
		return first === from ? (first + 1) % this.workers : first;
	}

	/** Moves calls of `expert`: all, or what `from` has too much, or what `to` has time for, or what levels the two. */
	private shift(random: () => number, from: number, to: number, expert: number, deadline: number): boolean {
		const target = this.curveOn(to, expert);
		const source = this.curveOn(from, expert);
		if (target === null || source === null) return false;
		const here = this.callsOf(from, expert);
		const there = this.callsOf(to, expert);
		if (there === 0 && this.models[to] === this.seats) return false;
		const otherFrom = (this.busySeconds[from] ?? 0) - this.secondsOf(from, expert);
		const otherTo = (this.busySeconds[to] ?? 0) - this.secondsOf(to, expert);
		const kind = random();
		let moved = here;
		if (kind >= 0.25 && kind < 0.5) moved = here - Math.floor(source.within(deadline - otherFrom));
		else if (kind >= 0.5 && kind < 0.75) moved = Math.floor(target.within(deadline - otherTo)) - there;
		else if (kind >= 0.75) {
			let low = 0;
			let high = here;
			while (low < high) {
				const middle = (low + high) >> 1;
				if (otherFrom + source.at(here - middle) > otherTo + target.at(there + middle)) low = middle + 1;
				else high = middle;
			}
			moved = low;
		}
		moved = Math.min(here, moved);
		if (moved <= 0) return false;
		this.change(from, expert, here - moved);
		this.change(to, expert, there + moved);
		return true;
	}

	/** Swaps the session of `expert` for one of `to`; sessions of one model on one worker become one. */
	private swap(random: () => number, from: number, to: number, expert: number): boolean {
		const other = this.pickSession(random, to);
		if (other < 0 || other === expert) return false;
		if (this.curveOn(to, expert) === null || this.curveOn(from, other) === null) return false;
		const calls = this.callsOf(from, expert);
		const otherCalls = this.callsOf(to, other);
		this.change(from, expert, 0);
		this.change(to, other, 0);
		this.change(from, other, this.callsOf(from, other) + otherCalls);
		this.change(to, expert, this.callsOf(to, expert) + calls);
		return true;
	}

	private change(worker: number, expert: number, calls: number): void {
		this.undone.push([worker, expert, this.callsOf(worker, expert)]);
		this.set(worker, expert, calls);
	}

	private set(worker: number, expert: number, calls: number): void {
		const index = worker * this.experts + expert;
		const seconds = calls > 0 ? (this.curveOn(worker, expert)?.at(calls) ?? Number.POSITIVE_INFINITY) : 0;
		this.models[worker] =
			(this.models[worker] ?? 0) + Number(calls > 0) - Number((this.calls[index] ?? 0) > 0);
		this.busySeconds[worker] = (this.busySeconds[worker] ?? 0) + seconds - (this.seconds[index] ?? 0);
		this.calls[index] = calls;
		this.seconds[index] = seconds;
	}

	private callsOf(worker: number, expert: number): number {
		return this.calls[worker * this.experts + expert] ?? 0;
	}

	private secondsOf(worker: number, expert: number): number {
		return this.seconds[worker * this.experts + expert] ?? 0;
	}

	private curveOn(worker: number, expert: number): FastCurve | null {
		return this.curves[this.types[worker] ?? 0]?.[expert] ?? null;
	}

	private over(worker: number, deadline: number): number {
		return Math.max(0, (this.busySeconds[worker] ?? 0) - deadline);
	}
}

/** secondsAt and callsWithin of a curve, on typed arrays: they are most of the search. */
class FastCurve {
	private readonly calls: Float64Array;
	private readonly seconds: Float64Array;

	constructor(calls: readonly number[], seconds: readonly number[]) {
		this.calls = Float64Array.from(calls);
		this.seconds = Float64Array.from(seconds);
	}

	at(count: number): number {
		if (count <= 0) return 0;
		return along(this.calls, this.seconds, count);
	}

	within(limitSeconds: number): number {
		if (limitSeconds < (this.seconds[0] ?? 0)) return 0;
		return along(this.seconds, this.calls, limitSeconds);
	}
}

/** The upper end of what is flat in `xs`; the first and last values beyond the ends. */
function along(xs: Float64Array, ys: Float64Array, x: number): number {
	let to = 0;
	while (to < xs.length && (xs[to] as number) <= x) to++;
	if (to === 0) return ys[0] ?? 0;
	if (to === xs.length) return ys[to - 1] ?? 0;
	const x0 = xs[to - 1] as number;
	const y0 = ys[to - 1] as number;
	return y0 + (((ys[to] as number) - y0) * (x - x0)) / ((xs[to] as number) - x0);
}
