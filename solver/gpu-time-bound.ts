import type { ModelId } from '../sim/domain/ids.ts';
import type { Cluster, Gpu, ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall, RequiredWork, Way } from '../sim/domain/required-work.ts';
import { leastOf } from './least-of.ts';
import { chargeModel } from './model-charges.ts';

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
/** Rounds in which the prices of chains are chosen for the bound that the last ones gave. */
const CHAIN_ROUNDS = 3;
/** To choose from for each model, in units of a GPU's price. */
const CHAIN_PRICES = [0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4];
/** Halvings of the step in the search for prices; any prices give a bound. */
const PRICE_HALVINGS = 6;

/**
 * What keeping all GPUs busy all the time takes, with one price for all of them; and with the best prices found for the time of each GPU type and
 * of the longest chains.
 */
export function gpuTimeUs(problem: BoundProblem): { readonly areaUs: number; readonly lpUs: number } {
	const capacities = capacityByType(problem);
	const total = [...capacities.values()].reduce((sum, capacity) => sum + capacity, 0);
	const uniform = new Map([...capacities.keys()].map((type) => [type, 1 / total]));
	const areaUs = pricedUs(problem, uniform, null);
	const prices = bestPrices(problem, capacities, uniform, areaUs);
	return { areaUs, lpUs: Math.max(areaUs, pricedUs(problem, prices, 1 / total)) };
}

/** Moves shares of the capacity's worth between pairs of GPU types while that raises the bound. */
function bestPrices(
	problem: BoundProblem,
	capacities: ReadonlyMap<string, number>,
	uniform: Prices,
	uniformUs: number,
): Prices {
	const types = [...capacities.keys()];
	let worth = new Map(types.map((type) => [type, (uniform.get(type) ?? 0) * (capacities.get(type) ?? 0)]));
	let best = uniform;
	let bestUs = uniformUs;
	const tried = (from: string, to: string, step: number): boolean => {
		const moved = Math.min(step, worth.get(from) ?? 0);
		if (moved === 0) return false;
		const next = new Map(worth);
		next.set(from, (worth.get(from) ?? 0) - moved);
		next.set(to, (worth.get(to) ?? 0) + moved);
		const prices = new Map(types.map((type) => [type, (next.get(type) ?? 0) / (capacities.get(type) ?? 1)]));
		const us = pricedUs(problem, prices, null);
		if (us <= bestUs) return false;
		best = prices;
		bestUs = us;
		worth = next;
		return true;
	};
	let step = 0.25;
	for (let halvings = 0; types.length > 1 && halvings < PRICE_HALVINGS; ) {
		const isBetter = types.some((from) => types.some((to) => from !== to && tried(from, to, step)));
		if (isBetter) continue;
		step /= 2;
		halvings++;
	}
	return best;
}

/**
 * Wall time that the priced GPU time of all calls and loads takes at least.
 * @param chainUnit of the prices of chains; null: they have none
 */
function pricedUs(problem: BoundProblem, prices: Prices, chainUnit: number | null): number {
	let typical = problem.work.flatMap(({ ways }) => ways);
	let bestUs = 0;
	for (let round = 0; round < CHARGE_ROUNDS; round++) {
		const costs = callCosts(problem, prices, typical, [0], 0);
		bestUs = Math.max(bestUs, boundUs(problem, prices, costs));
		if (chainUnit !== null) bestUs = withChains(problem, prices, typical, chainUnit, bestUs);
		const cheapest = problem.work.map(({ ways }) => cheapestWay(ways, costs.callUs));
		if (cheapest.length === typical.length && cheapest.every((way, i) => way === typical[i])) break;
		typical = cheapest;
	}
	return bestUs;
}

/** A ratio is made as large as it can be: what pays at the bound found so far raises it, until nothing does. */
function withChains(
	problem: BoundProblem,
	prices: Prices,
	typical: readonly Way[],
	unit: number,
	withoutUs: number,
): number {
	const chainPrices = CHAIN_PRICES.map((price) => price * unit);
	let bestUs = withoutUs;
	for (let round = 0; round < CHAIN_ROUNDS; round++) {
		const us = boundUs(problem, prices, callCosts(problem, prices, typical, chainPrices, bestUs));
		if (us <= bestUs) break;
		bestUs = us;
	}
	return bestUs;
}

interface CallCosts {
	readonly callUs: (call: RequiredCall) => number;
	/** Sum of the prices of chains. */
	readonly chainPrice: number;
}

/**
 * @param typical ways for whose calls the charges are made as high as they can be
 * @param chainPrices to choose from
 * @param aroundUs about what the bound will be
 */
function callCosts(
	problem: BoundProblem,
	prices: Prices,
	typical: readonly Way[],
	chainPrices: readonly number[],
	aroundUs: number,
): CallCosts {
	const { options } = problem;
	const profilesOf = (model: ModelId) => (options.get(model) ?? []).map(({ profile }) => profile);
	const charges = new Map(
		[...options.keys()].map((model) => [
			model,
			chargeModel(
				{
					model,
					engines: profilesOf(model).map((profile) => ({
						profile,
						price: priceOf(prices, profile) * profile.tensorParallel,
					})),
					typical,
					profilesOf,
				},
				chainPrices,
				aroundUs - firstLoadUs(problem),
			),
		]),
	);
	const all = [...charges.values()];
	return {
		callUs: memo((call) =>
			all.reduce((sum, { chainUs }) => sum + chainUs(call), charges.get(call.model)?.callUs(call) ?? 0),
		),
		chainPrice: all.reduce((sum, { chainPrice }) => sum + chainPrice, 0),
	};
}

const firstLoadUs = ({ options }: BoundProblem): number =>
	leastOf([...options.values()].flat(), ({ profile }) => profile.loadUs);

/** The prices of GPU time add up to 1 over all GPUs, and those of chains come to that. */
function boundUs(problem: BoundProblem, prices: Prices, { callUs, chainPrice }: CallCosts): number {
	const { work } = problem;
	const costs = work.map(({ ways, arrivalUs }) => ({
		arrivalUs,
		us: leastOf(ways, (way) => wayCost(way, callUs)),
	}));
	const allUs = costs.reduce((sum, { us }) => sum + us, 0);
	const firstUs = firstLoadUs(problem);
	let beyondFirstUs = 0;
	let loadsUs = 0;
	for (const own of neededModels(problem)) {
		const loadUs = (lessUs: number): number =>
			leastOf(own, ({ profile, isExclusive }) =>
				isExclusive
					? priceOf(prices, profile) * profile.tensorParallel * Math.max(0, profile.loadUs - lessUs)
					: 0,
			);
		beyondFirstUs += loadUs(firstUs);
		loadsUs += loadUs(0);
	}
	const worth = 1 + chainPrice;
	const beforeUs = Math.max(firstUs + beyondFirstUs, loadsUs) + chainPrice * firstUs;
	let latestUs = (beforeUs + allUs) / worth;
	let lateUs = 0;
	for (const { arrivalUs, us } of costs.toSorted((a, b) => b.arrivalUs - a.arrivalUs)) {
		lateUs += us;
		latestUs = Math.max(latestUs, arrivalUs + lateUs / worth);
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

/** Engine time that a GPU gives in a unit of time, at most: runs keep speeds in millionths. */
function capacityOf({ sharedSpeeds = [] }: Gpu, enginesPerGpu: number): number {
	const sums = sharedSpeeds
		.slice(0, enginesPerGpu)
		.map((speed, others) => ((1 + others) * Math.round(1e6 * speed)) / 1e6);
	return Math.max(1, ...sums);
}

const priceOf = (prices: Prices, { gpuType }: ReplicaProfile): number => prices.get(gpuType) ?? 0;

const wayCost = (way: Way, costUs: CallCosts['callUs']): number =>
	way.reduce((sum, call) => sum + costUs(call), 0);

function cheapestWay(ways: readonly Way[], costUs: CallCosts['callUs']): Way {
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
