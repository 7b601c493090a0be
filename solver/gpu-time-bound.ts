import type { ModelId } from '../sim/domain/ids.ts';
import type { Cluster, Gpu, ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall, RequiredWork, Way } from '../sim/domain/required-work.ts';
import { type Charges, chargesOf, pricedCharges, workUs } from './call-charges.ts';
import { leastOf } from './least-of.ts';

/** One profile that the cluster can hold. */
export interface BoundOption {
	readonly profile: ReplicaProfile;
	/** No GPU of its type takes a second engine. */
	readonly isExclusive: boolean;
}

export interface BoundProblem {
	readonly cluster: Cluster;
	readonly work: readonly RequiredWork[];
	/** Of every model that stands in some way. */
	readonly options: ReadonlyMap<ModelId, readonly BoundOption[]>;
}

/** Price of a GPU's time by GPU type; the sum over all GPUs of price x capacity is 1. */
type Prices = ReadonlyMap<string, number>;

/** Rounds in which charges are chosen for the ways that are cheapest under the last ones. */
const CHARGE_ROUNDS = 3;
/** Halvings of the step in the search for prices; any prices give a bound. */
const PRICE_HALVINGS = 6;

/** What keeping all GPUs busy all the time takes, with one price for all of them and with the best prices found. */
export function gpuTimeUs(problem: BoundProblem): { readonly areaUs: number; readonly lpUs: number } {
	const capacities = capacityByType(problem);
	const total = [...capacities.values()].reduce((sum, capacity) => sum + capacity, 0);
	const uniform = new Map([...capacities.keys()].map((type) => [type, 1 / total]));
	const areaUs = pricedUs(problem, uniform);
	return {
		areaUs,
		lpUs: capacities.size === 1 ? areaUs : bestPricedUs(problem, capacities, uniform, areaUs),
	};
}

/** Moves shares of the capacity's worth between pairs of GPU types while that raises the bound. */
function bestPricedUs(
	problem: BoundProblem,
	capacities: ReadonlyMap<string, number>,
	uniform: Prices,
	uniformUs: number,
): number {
	const types = [...capacities.keys()];
	let worth = new Map(types.map((type) => [type, (uniform.get(type) ?? 0) * (capacities.get(type) ?? 0)]));
	let bestUs = uniformUs;
	const tried = (from: string, to: string, step: number): boolean => {
		const moved = Math.min(step, worth.get(from) ?? 0);
		if (moved === 0) return false;
		const next = new Map(worth);
		next.set(from, (worth.get(from) ?? 0) - moved);
		next.set(to, (worth.get(to) ?? 0) + moved);
		const prices = new Map(types.map((type) => [type, (next.get(type) ?? 0) / (capacities.get(type) ?? 1)]));
		const us = pricedUs(problem, prices);
		if (us <= bestUs) return false;
		bestUs = us;
		worth = next;
		return true;
	};
	let step = 0.25;
	for (let halvings = 0; halvings < PRICE_HALVINGS; ) {
		const isBetter = types.some((from) => types.some((to) => from !== to && tried(from, to, step)));
		if (isBetter) continue;
		step /= 2;
		halvings++;
	}
	return bestUs;
}

/** Wall time that the priced GPU time of all calls and loads takes at least. */
function pricedUs(problem: BoundProblem, prices: Prices): number {
	let calls = problem.work.flatMap(({ ways }) => ways.flat());
	let bestUs = 0;
	for (let round = 0; round < CHARGE_ROUNDS; round++) {
		const costUs = callCosts(problem, prices, calls);
		bestUs = Math.max(bestUs, boundUs(problem, prices, costUs));
		const cheapest = problem.work.flatMap(({ ways }) => cheapestWay(ways, costUs));
		if (cheapest.length === calls.length && cheapest.every((call, i) => call === calls[i])) break;
		calls = cheapest;
	}
	return bestUs;
}

type CallCost = (call: RequiredCall) => number;

/** @param typical calls for which the charges are made as high as they can be */
function callCosts({ options }: BoundProblem, prices: Prices, typical: readonly RequiredCall[]): CallCost {
	const byModel = new Map<ModelId, RequiredCall[]>();
	for (const call of typical) {
		const own = byModel.get(call.model);
		if (own === undefined) byModel.set(call.model, [call]);
		else own.push(call);
	}
	const charged = new Map<ModelId, readonly Charges[]>();
	for (const [model, own] of options)
		charged.set(
			model,
			own.map(({ profile }) =>
				pricedCharges(
					chargesOf(profile, byModel.get(model) ?? []),
					profile.tensorParallel * priceOf(prices, profile),
				),
			),
		);
	return memo((call) => {
		const charges = charged.get(call.model) ?? [];
		return charges.length === 0 ? 0 : workUs(charges, call);
	});
}

function boundUs(problem: BoundProblem, prices: Prices, costUs: CallCost): number {
	const { work, options } = problem;
	const costs = work.map(({ ways, arrivalUs }) => ({
		arrivalUs,
		us: leastOf(ways, (way) => wayCost(way, costUs)),
	}));
	const allUs = costs.reduce((sum, { us }) => sum + us, 0);
	const firstLoadUs = leastOf([...options.values()].flat(), ({ profile }) => profile.loadUs);
	let beyondFirstUs = 0;
	let loadsUs = 0;
	for (const own of neededModels(problem)) {
		const loadUs = (lessUs: number): number =>
			leastOf(own, ({ profile, isExclusive }) =>
				isExclusive
					? priceOf(prices, profile) * profile.tensorParallel * Math.max(0, profile.loadUs - lessUs)
					: 0,
			);
		beyondFirstUs += loadUs(firstLoadUs);
		loadsUs += loadUs(0);
	}
	let latestUs = Math.max(firstLoadUs + beyondFirstUs + allUs, loadsUs + allUs);
	let lateUs = 0;
	for (const { arrivalUs, us } of costs.toSorted((a, b) => b.arrivalUs - a.arrivalUs)) {
		lateUs += us;
		latestUs = Math.max(latestUs, arrivalUs + lateUs);
	}
	return latestUs;
}

/** Options of the models that some query needs whichever way it goes. */
function neededModels({ work, options }: BoundProblem): readonly (readonly BoundOption[])[] {
	const needed = new Set<ModelId>();
	for (const { ways } of work) {
		const [first = [], ...others] = ways;
		for (const { model } of first)
			if (!needed.has(model) && others.every((way) => way.some((call) => call.model === model)))
				needed.add(model);
	}
	return [...needed].map((model) => options.get(model) ?? []);
}

function capacityByType({ cluster, options }: BoundProblem): ReadonlyMap<string, number> {
	const usable = [...options.values()].flat();
	const capacities = new Map<string, number>();
	for (const gpu of cluster.gpus) {
		const own = usable.filter(({ profile }) => profile.gpuType === gpu.type);
		if (own.length === 0) continue;
		const isExclusive = own.every((option) => option.isExclusive);
		const capacity = isExclusive ? 1 : capacityOf(gpu, cluster.enginesPerGpu);
		capacities.set(gpu.type, (capacities.get(gpu.type) ?? 0) + capacity);
	}
	return capacities;
}

/** Engine time that a GPU gives in a unit of time, at most. */
function capacityOf({ sharedSpeeds = [] }: Gpu, enginesPerGpu: number): number {
	const sums = sharedSpeeds.slice(0, enginesPerGpu).map((speed, others) => (1 + others) * speed);
	return Math.max(1, ...sums);
}

const priceOf = (prices: Prices, { gpuType }: ReplicaProfile): number => prices.get(gpuType) ?? 0;

const wayCost = (way: Way, costUs: CallCost): number => way.reduce((sum, call) => sum + costUs(call), 0);

function cheapestWay(ways: readonly Way[], costUs: CallCost): Way {
	let best: Way = [];
	let bestUs = Number.POSITIVE_INFINITY;
	for (const way of ways) {
		const us = wayCost(way, costUs);
		if (us >= bestUs) continue;
		best = way;
		bestUs = us;
	}
	return best;
}

/** Works a call's figure out once. */
export function memo(figure: (call: RequiredCall) => number): (call: RequiredCall) => number {
	const known = new Map<RequiredCall, number>();
	return (call) => {
		let value = known.get(call);
		if (value === undefined) {
			value = figure(call);
			known.set(call, value);
		}
		return value;
	};
}
