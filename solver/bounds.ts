import type { Cluster, ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall, RequiredWork, Way } from '../sim/domain/required-work.ts';
import { secondsFromUs } from '../sim/domain/units.ts';
import { latencyUs } from './call-latency.ts';
import { type BoundProblem, gpuTimeUs, memo } from './gpu-time-bound.ts';
import { leastOf } from './least-of.ts';

export interface BoundInput {
	readonly cluster: Cluster;
	readonly profiles: readonly ReplicaProfile[];
	readonly work: readonly RequiredWork[];
}

export interface LowerBound {
	/** The largest of the three; 0 without calls. */
	readonly seconds: number;
	/** All GPUs busy all the time, every call where it is cheapest, on GPUs of whatever type. */
	readonly areaSeconds: number;
	/** The same as a linear program that also sees how much each GPU type can take, and that a query's calls follow one another; no less than the area. */
	readonly lpSeconds: number;
	/** One query's longest path. */
	readonly chainSeconds: number;
}

/**
 * No schedule settles the last query sooner, whatever it places where and when, cancels, preempts or moves, if nothing is loaded at the start,
 * it carries out one of the ways of every query, and an aggregator call starts after the expert calls of its way have ended.
 *
 * LP. Every step of an engine over t GPUs takes t GPU-times-step out of the cluster's (capacity x wall time). A GPU's capacity is the
 * most that the speeds of engines on it can add up to: 1 for a single engine and for equal shares, more where sharing was measured to
 * gain. call-charges.ts charges each step's time to the calls in it, never more than it takes, so the charges of the calls that run on GPUs of
 * type g are at most capacity(g) x wall time, W. And the steps that serve one call after another of the same query follow one another, so they
 * take at most W together. Which call runs where, and which way a query goes, may be divided as one likes: that is a
 * linear program with W to be minimal. For any prices of GPU time, and z of chains of calls, with the sum of price(g) x capacity(g) and z equal to 1,
 *
 *     W >= sum over queries of the least over its ways of the sum over calls of the least over paths from profile to profile of price(g) x t x charges
 *          and, for calls of chains, z x their time alone,
 *
 * and the best prices give the optimum (duality). Area is the same with one price for all GPU types, and none for chains. To that comes loading:
 * - before the first load ends nothing computes, so each GPU loses the shortest load L. A model of which every schedule needs a load loses
 *   what its load takes beyond L, where no GPU takes two engines at a time, so that a loading GPU does nothing else;
 * - or, instead of L for each GPU, the loads of all those models. The better of the two is taken.
 * Queries that arrive at or after some time A can be computed only after it: W >= A + what they cost, for every A.
 *
 * Chain. A call ends no sooner than the quickest load of its model, or its query's arrival, and then its tokens one step after another, alone, each part
 * under the profile that is quickest. An aggregator call adds its own steps to the latest expert call of its way. The quickest way counts.
 *
 * The event clock of a run is rounded to whole microseconds: a session may seem half a microsecond shorter. A second session of a model pays
 * a load of at least 1 us for that; the first ones of all models and the two ends of a chain are allowed for here. Not allowed for: a call of
 * the longest chain, or of one with a price, gains up to half a microsecond with every move.
 */
export function lowerBoundSeconds(input: BoundInput): LowerBound {
	if (input.work.every(({ ways }) => ways.some((way) => way.length === 0)))
		return { seconds: 0, areaSeconds: 0, lpSeconds: 0, chainSeconds: 0 };
	const problem = boundProblem(input);
	const allowanceUs = 1 + problem.options.size;
	const toSeconds = (us: number): number => Math.max(0, secondsFromUs(us - allowanceUs));
	const { areaUs, lpUs } = gpuTimeUs(problem);
	const areaSeconds = toSeconds(areaUs);
	const lpSeconds = toSeconds(lpUs);
	const chainSeconds = toSeconds(chainUs(problem));
	return {
		seconds: Math.max(areaSeconds, lpSeconds, chainSeconds),
		areaSeconds,
		lpSeconds,
		chainSeconds,
	};
}

/** What the work may run on. */
export function boundProblem({ cluster, profiles, work }: BoundInput): BoundProblem {
	const models = new Set(work.flatMap(({ ways }) => ways.flatMap((way) => way.map(({ model }) => model))));
	const usable = profiles.filter(({ gpuType, tensorParallel, gpuBytesPerGpu }) => {
		const gpus = cluster.gpus.filter(
			({ type, memoryBytes }) => type === gpuType && memoryBytes >= gpuBytesPerGpu,
		);
		return gpus.length >= tensorParallel;
	});
	const isExclusive = (gpuType: string): boolean => {
		if (cluster.enginesPerGpu === 1) return true;
		const own = usable.filter((profile) => profile.gpuType === gpuType);
		const smallestBytes = Math.min(...own.map(({ gpuBytesPerGpu }) => gpuBytesPerGpu));
		return cluster.gpus.every(({ type, memoryBytes }) => type !== gpuType || 2 * smallestBytes > memoryBytes);
	};
	return {
		cluster,
		work,
		options: new Map(
			[...models].map((model) => [
				model,
				usable
					.filter((profile) => profile.model === model)
					.map((profile) => ({ profile, isExclusive: isExclusive(profile.gpuType) })),
			]),
		),
	};
}

function chainUs({ work, options }: BoundProblem): number {
	const profilesOf = ({ model }: RequiredCall): readonly ReplicaProfile[] =>
		(options.get(model) ?? []).map(({ profile }) => profile);
	const aloneUs = memo((call: RequiredCall) => {
		const profiles = profilesOf(call);
		return profiles.length === 0 ? 0 : latencyUs(profiles, call);
	});
	const loadedUs = (call: RequiredCall): number =>
		leastOf(profilesOf(call), ({ loadUs }) => loadUs) + aloneUs(call);
	const wayUs = (way: Way, arrivalUs: number): number => {
		let expertsEndUs = arrivalUs;
		for (const call of way)
			if (call.role === 'expert')
				expertsEndUs = Math.max(expertsEndUs, loadedUs(call), arrivalUs + aloneUs(call));
		let endUs = expertsEndUs;
		for (const call of way)
			if (call.role === 'aggregator') endUs = Math.max(endUs, expertsEndUs + aloneUs(call), loadedUs(call));
		return endUs;
	};
	return work.reduce(
		(longest, { ways, arrivalUs }) =>
			Math.max(
				longest,
				leastOf(ways, (way) => wayUs(way, arrivalUs)),
			),
		0,
	);
}
