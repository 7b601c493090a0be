import { assert, present } from '../sim/domain/errors.ts';
import { canSeat, type Placement, type SeatedExpert } from './ilp/instance.ts';

/** What greedy placement needs to know of an instance, whatever its costs are. */
export interface SeatedInstance<Expert extends SeatedExpert> {
	readonly workers: readonly unknown[];
	readonly experts: readonly Expert[];
	/** K: models one worker may load. */
	readonly maxModelsPerWorker: number;
}

/** Seconds of one session, load included; 0 for 0 calls, not decreasing in calls, Infinity where the model does not fit. */
export type SessionSeconds<Expert> = (expert: Expert, worker: number, calls: number) => number;

/**
 * Longest work first, with splitting: every expert gets a seat; then, one at a time, the expert whose parts are longest gets another
 * replica while caps and seats allow. For each number of replicas the parts go, longest first, where they end soonest, and the shares of
 * replicated experts are levelled out. The best of these placements is kept. Obeys the caps and K of the instance, so the result is
 * always a feasible start for the ILP and a fallback for it.
 * @param fewestReplicas numbers of replicas to begin with, within caps and seats
 * @param mostPlacements tries so many numbers of replicas at most, evenly spread: each takes a while on many workers
 */
export function placeGreedily<Expert extends SeatedExpert>(
	instance: SeatedInstance<Expert>,
	seconds: SessionSeconds<Expert>,
	fewestReplicas: readonly number[] = instance.experts.map(() => 1),
	mostPlacements = Number.POSITIVE_INFINITY,
): Placement {
	const { workers, maxModelsPerWorker } = instance;
	const replicas = [...fewestReplicas];
	let best = placeParts(instance, replicas, seconds);
	let bestSeconds = makespanSeconds(instance, best, seconds);
	const seated = replicas.reduce((sum, count) => sum + count, 0);
	const spare = workers.length * maxModelsPerWorker - seated;
	const every = Math.max(1, Math.ceil(spare / mostPlacements));
	for (let added = 1; added <= spare; added++) {
		const longest = longestSplittable(instance, replicas, seconds);
		if (longest === null) break;
		replicas[longest] = (replicas[longest] ?? 1) + 1;
		if (added % every !== 0) continue;
		const placement = placeParts(instance, replicas, seconds);
		const placementSeconds = makespanSeconds(instance, placement, seconds);
		if (placementSeconds >= bestSeconds) continue;
		best = placement;
		bestSeconds = placementSeconds;
	}
	return best;
}

/** The busiest worker's sum of sessions: equation 10 with any session cost. */
export function makespanSeconds<Expert extends SeatedExpert>(
	{ experts, workers }: SeatedInstance<Expert>,
	placement: Placement,
	seconds: SessionSeconds<Expert>,
): number {
	return workers.reduce<number>(
		(longest, _, n) => Math.max(longest, loadOf(experts, placement, n, seconds)),
		0,
	);
}

function loadOf<Expert extends SeatedExpert>(
	experts: readonly Expert[],
	placement: Placement,
	worker: number,
	seconds: SessionSeconds<Expert>,
	except = -1,
): number {
	return experts.reduce(
		(sum, expert, m) => (m === except ? sum : sum + seconds(expert, worker, placement[m]?.[worker] ?? 0)),
		0,
	);
}

function longestSplittable<Expert extends SeatedExpert>(
	{ experts }: SeatedInstance<Expert>,
	replicas: readonly number[],
	seconds: SessionSeconds<Expert>,
): number | null {
	let longest: number | null = null;
	let longestSeconds = 0;
	experts.forEach((expert, m) => {
		const parts = replicas[m] ?? 1;
		if (parts >= Math.min(expert.cap, expert.calls)) return;
		const partSeconds = typicalSeconds(expert, Math.ceil(expert.calls / parts), seconds);
		if (partSeconds <= longestSeconds) return;
		longest = m;
		longestSeconds = partSeconds;
	});
	return longest;
}

/** Mean over the workers that can hold the model. */
function typicalSeconds<Expert extends SeatedExpert>(
	expert: Expert,
	calls: number,
	seconds: SessionSeconds<Expert>,
): number {
	const all = expert.costs.map((_, n) => seconds(expert, n, calls)).filter(Number.isFinite);
	return all.reduce((sum, value) => sum + value, 0) / all.length;
}

function placeParts<Expert extends SeatedExpert>(
	instance: SeatedInstance<Expert>,
	replicas: readonly number[],
	seconds: SessionSeconds<Expert>,
): Placement {
	const { experts, workers } = instance;
	const placement = experts.map(() => workers.map(() => 0));
	const freeSeats = workers.map(() => instance.maxModelsPerWorker);
	const unplaced = new Set(experts);
	const parts = experts.flatMap((expert, m) => {
		const calls = Math.ceil(expert.calls / (replicas[m] ?? 1));
		return Array.from({ length: replicas[m] ?? 1 }, () => ({
			expert,
			m,
			calls,
			seconds: typicalSeconds(expert, calls, seconds),
		}));
	});
	parts.sort((a, b) => b.seconds - a.seconds || a.m - b.m);
	const busySeconds = workers.map(() => 0);

	for (const { expert, m, calls } of parts) {
		const isFirst = unplaced.delete(expert);
		const row = present(placement[m], 'row');
		const candidates = workers
			.map((_, n) => n)
			.filter((n) => row[n] === 0 && (freeSeats[n] ?? 0) > 0 && (expert.costs[n] ?? null) !== null)
			.map((n) => {
				const endSeconds = (busySeconds[n] ?? 0) + seconds(expert, n, calls);
				return { n, endSeconds };
			})
			.sort((a, b) => a.endSeconds - b.endSeconds || a.n - b.n);
		// A seat that a later expert cannot do without is not taken.
		const chosen = candidates.find(({ n }) => {
			const left = freeSeats.map((seats, worker) => (worker === n ? seats - 1 : seats));
			return canSeat([...unplaced], left);
		});
		assert(chosen !== undefined || !isFirst, `no seat left for ${expert.model}`);
		if (chosen === undefined) continue;
		row[chosen.n] = calls;
		busySeconds[chosen.n] = loadOf(experts, placement, chosen.n, seconds);
		freeSeats[chosen.n] = (freeSeats[chosen.n] ?? 0) - 1;
	}
	return levelShares(instance, placement, seconds);
}

const LEVELLING_ROUNDS = 20;

/** Moves calls between the replicas of each expert until no round shortens the plan any more. */
function levelShares<Expert extends SeatedExpert>(
	instance: SeatedInstance<Expert>,
	seats: readonly (readonly number[])[],
	seconds: SessionSeconds<Expert>,
): Placement {
	const { experts } = instance;
	let placement = seats.map((row) => [...row]);
	let length = Number.POSITIVE_INFINITY;
	for (let round = 0; round < LEVELLING_ROUNDS; round++) {
		const next = placement.map((row) => [...row]);
		experts.forEach((expert, m) => {
			const holders = (seats[m] ?? []).flatMap((calls, n) => (calls > 0 ? [n] : []));
			const others = holders.map((n) => loadOf(experts, next, n, seconds, m));
			const shares = levelOne(expert, holders, others, seconds);
			holders.forEach((n, i) => {
				present(next[m], 'row')[n] = shares[i] ?? 0;
			});
		});
		const nextLength = makespanSeconds(instance, next, seconds);
		if (nextLength >= length) break;
		placement = next;
		length = nextLength;
	}
	return placement;
}

/** Shares of one expert over its workers, adding up to its calls, so that the last of them ends as early as it can. */
function levelOne<Expert extends SeatedExpert>(
	expert: Expert,
	holders: readonly number[],
	otherSeconds: readonly number[],
	seconds: SessionSeconds<Expert>,
): readonly number[] {
	const within = (deadline: number): number[] =>
		holders.map((n, i) => mostCalls(expert, n, deadline - (otherSeconds[i] ?? 0), seconds));
	const total = (shares: readonly number[]): number => shares.reduce((sum, share) => sum + share, 0);
	let low = 0;
	// A little later than all calls on the worst worker, so that subtracting the others again leaves room for all of them.
	let high =
		(1 + 1e-9) *
		Math.max(...holders.map((n, i) => (otherSeconds[i] ?? 0) + seconds(expert, n, expert.calls)));
	for (let i = 0; i < 50 && high - low > 1e-9 * high; i++) {
		const middle = (low + high) / 2;
		if (total(within(middle)) < expert.calls) low = middle;
		else high = middle;
	}
	const shares = within(high);
	// At the deadline several workers may have room for one call more than needed: the last ones give it back.
	for (let i = shares.length - 1, surplus = total(shares) - expert.calls; i >= 0 && surplus > 0; i--) {
		const given = Math.min(surplus, shares[i] ?? 0);
		shares[i] = (shares[i] ?? 0) - given;
		surplus -= given;
	}
	return shares;
}

/** Largest share, at most all calls, that takes no longer than `budgetSeconds`. */
function mostCalls<Expert extends SeatedExpert>(
	expert: Expert,
	worker: number,
	budgetSeconds: number,
	seconds: SessionSeconds<Expert>,
): number {
	let low = 0;
	let high = expert.calls;
	while (low < high) {
		const middle = Math.ceil((low + high) / 2);
		if (seconds(expert, worker, middle) <= budgetSeconds) low = middle;
		else high = middle - 1;
	}
	return low;
}
