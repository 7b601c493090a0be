/** What a policy may ask of the outside. */
export interface SchedulerDeps {
	/** Wall clock in seconds, for measured solve time in `Plan.details` only; no decision depends on it. */
	readonly clockSeconds: () => number;
}
