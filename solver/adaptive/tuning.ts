/**
 * Numbers of the adaptive policy that no theory gives: chosen on seeds 0 and 1 of the bundled workloads, or by `lookahead`, which tries several
 * of them in rehearsals.
 */
export interface Tuning {
	/** A call is held back while the work left takes so many times as long as a long call of its model and its aggregation. */
	readonly slack: number;
	/** Of a long aggregation, what counts as work behind an expert: what ends last is followed by one. */
	readonly aggregationWeight: number;
	/** Of the lengths, the one that counts as long, 0 to 1. */
	readonly longQuantile: number;
	/** Correlation of the lengths of two calls of one query, as normal scores. */
	readonly likeness: number;
	/** Of a replica's KV memory, that calls in flight are expected to fill. */
	readonly fill: number;
	/** A model is light when its work is less than so many of its loads. */
	readonly lightLoads: number;
	/** Of the GPUs, that light models may take before other work has one. */
	readonly lightShare: number;
	/** Seconds that one more replica must gain. */
	readonly marginSeconds: number;
	/** Seconds that taking a GPU from a model must gain for another. */
	readonly vacateSeconds: number;
	/** A GPU is made free for a model that nobody serves when its own then ends within this share of all work left. */
	readonly makeRoom: number;
	/** Seconds of work below which a model that nobody serves waits until a GPU has nothing better. */
	readonly smallSeconds: number;
	/** Such a model is served at once when the work left takes less than so many times as long as a long call of it and its aggregation. */
	readonly urgency: number;
	/** Relative difference of work between two replicas of a model above which calls move, and seconds of it. */
	readonly imbalance: number;
	readonly imbalanceSeconds: number;
	/** One engine takes two GPUs when its calls then take less than this share of the GPU time. */
	readonly pairShare: number;
	/** Seconds that one engine over all GPUs must gain. */
	readonly tensorSeconds: number;
	/** Seconds after which estimates are made again. */
	readonly replanSeconds: number;
}

export const TUNING: Tuning = {
	slack: 1,
	aggregationWeight: 0.5,
	longQuantile: 0.97,
	likeness: 0.6,
	fill: 1,
	lightLoads: 12,
	lightShare: 0.5,
	marginSeconds: 10,
	vacateSeconds: 180,
	makeRoom: 0.7,
	smallSeconds: 8,
	urgency: 1,
	imbalance: 0.3,
	imbalanceSeconds: 20,
	pairShare: 0.95,
	tensorSeconds: 10,
	replanSeconds: 300,
};
