import type { ModelId, QueryId } from '../sim/domain/ids.ts';
import type { Cluster, Gpu, ReplicaProfile } from '../sim/domain/model.ts';
import { secondsFromUs } from '../sim/domain/units.ts';
import type { CallRole } from '../sim/domain/work.ts';
import { type Charges, canPreempt, chargesOf, latencyUs, workUs } from './call-cost.ts';

export interface BoundCall {
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly promptTokens: number;
	/** Tokens that it really produced, at least 1. */
	readonly outputTokens: number;
}

export interface BoundInput {
	readonly cluster: Cluster;
	readonly profiles: readonly ReplicaProfile[];
	/**
	 * All calls of the schedule. Of a run that cancelled calls, the finished ones still give a bound wherever KV memory cannot run out; where
	 * it can, only if those alone can exhaust it as well.
	 */
	readonly calls: readonly BoundCall[];
}

export interface LowerBound {
	/** The larger of the two; 0 without calls. */
	readonly seconds: number;
	/** All GPUs busy all the time. */
	readonly areaSeconds: number;
	/** One query's longest path. */
	readonly chainSeconds: number;
}

/**
 * No schedule ends the given calls sooner on this cluster, whatever it places where and when, if nothing is loaded at the start, and an
 * aggregator call starts after its query's expert calls of the list have ended.
 *
 * Area. Every step of an engine over t GPUs takes t GPU-times-step out of the cluster's (capacity x wall time). A GPU's capacity is the
 * most that the speeds of engines on it can add up to: 1 for a single engine and for equal shares, more where sharing was measured to
 * gain. call-cost.ts charges each step's time to the calls in it, never more than it takes, so the charges of all calls, each under the
 * profile where it is cheapest, are at most capacity x wall time. To that comes loading:
 * - before the first load ends nothing computes, so wall >= shortest load + charges / capacity;
 * - each model is loaded at least once. Where no GPU takes two engines at a time a loading GPU does nothing else, so those loads
 *   may be added to the charges instead. The better of the two is taken.
 *
 * Chain. A call ends no sooner than a load of its model and then its tokens one step after another, alone, under the profile that is quickest
 * for load and call together. An aggregator call adds its own steps to the latest expert call of its query, and needs a load of its own model.
 *
 * The event clock of a run is rounded to whole microseconds: a session may seem half a microsecond shorter. A second session of a model pays
 * a load of at least 1 us for that; the first ones of all models and the two ends of a chain are allowed for here.
 */
export function lowerBoundSeconds(input: BoundInput): LowerBound {
	if (input.calls.length === 0) return { seconds: 0, areaSeconds: 0, chainSeconds: 0 };
	const options = optionsByModel(input);
	const allowanceUs = 1 + options.size;
	const toSeconds = (us: number): number => Math.max(0, secondsFromUs(us - allowanceUs));
	const areaSeconds = toSeconds(areaUs(input, options));
	const chainSeconds = toSeconds(chainUs(input, options));
	return { seconds: Math.max(areaSeconds, chainSeconds), areaSeconds, chainSeconds };
}

/** One profile that the cluster can hold, and what calls of its model cost under it at least. */
interface Option {
	readonly profile: ReplicaProfile;
	/** No GPU of its type takes a second engine. */
	readonly exclusive: boolean;
	readonly charges: Charges;
	readonly preemption: boolean;
}

type Options = ReadonlyMap<ModelId, readonly Option[]>;

function optionsByModel({ cluster, profiles, calls }: BoundInput): Options {
	const callsByModel = new Map<ModelId, BoundCall[]>();
	for (const call of calls) {
		const own = callsByModel.get(call.model);
		if (own === undefined) callsByModel.set(call.model, [call]);
		else own.push(call);
	}
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
	return new Map(
		[...callsByModel].map(([model, own]) => [
			model,
			usable
				.filter((profile) => profile.model === model)
				.map((profile) => {
					const preemption = canPreempt(profile.engine, own);
					const charges = chargesOf(profile, own, preemption);
					return { profile, exclusive: isExclusive(profile.gpuType), charges, preemption };
				}),
		]),
	);
}

function areaUs({ cluster, calls }: BoundInput, options: Options): number {
	let callsUs = 0;
	for (const call of calls) {
		const own = options.get(call.model) ?? [];
		callsUs += least(own, ({ profile, charges }) => profile.tensorParallel * workUs(charges, call));
	}
	let loadsUs = 0;
	for (const own of options.values())
		loadsUs += least(own, ({ profile, exclusive }) =>
			exclusive ? profile.tensorParallel * profile.loadUs : 0,
		);
	const firstLoadUs = least([...options.values()].flat(), ({ profile }) => profile.loadUs);
	const capacity = cluster.gpus.reduce((sum, gpu) => sum + capacityOf(gpu, cluster.enginesPerGpu), 0);
	return Math.max(firstLoadUs + callsUs / capacity, (loadsUs + callsUs) / capacity);
}

/** Engine time that a GPU gives in a unit of time, at most. */
function capacityOf({ sharedSpeeds = [] }: Gpu, enginesPerGpu: number): number {
	const sums = sharedSpeeds.slice(0, enginesPerGpu).map((speed, others) => (1 + others) * speed);
	return Math.max(1, ...sums);
}

function chainUs({ calls }: BoundInput, options: Options): number {
	const loadedUs = (call: BoundCall): number =>
		least(
			options.get(call.model) ?? [],
			({ profile, preemption }) => profile.loadUs + latencyUs(profile, call, preemption),
		);
	const aloneUs = (call: BoundCall): number =>
		least(options.get(call.model) ?? [], ({ profile, preemption }) => latencyUs(profile, call, preemption));

	const expertsEndUs = new Map<QueryId, number>();
	for (const call of calls)
		if (call.role === 'expert')
			expertsEndUs.set(call.query, Math.max(expertsEndUs.get(call.query) ?? 0, loadedUs(call)));
	let longestUs = 0;
	for (const endUs of expertsEndUs.values()) longestUs = Math.max(longestUs, endUs);
	for (const call of calls)
		if (call.role === 'aggregator') {
			const afterExpertsUs = (expertsEndUs.get(call.query) ?? 0) + aloneUs(call);
			longestUs = Math.max(longestUs, afterExpertsUs, loadedUs(call));
		}
	return longestUs;
}

/** Smallest value; 0 for no option, which bounds nothing. */
const least = <T>(items: readonly T[], value: (item: T) => number): number =>
	items.length === 0 ? 0 : items.reduce((low, item) => Math.min(low, value(item)), Number.POSITIVE_INFINITY);
