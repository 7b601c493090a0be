import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import type { Curve } from './curve.ts';

/** One expert: its calls, and its profile on each type of worker; null where it does not fit. */
export interface CurveRequest {
	readonly calls: number;
	readonly profiles: readonly (ReplicaProfile | null)[];
}

/** Each session of the engine model is so many times the size of the one before. */
const SIZE_RATIO = 1.5;
/** The smallest session that is looked at serves such a part of the calls, or a quarter of what each worker would have to. */
const SMALLEST_SHARE = 1 / 32;
/** Sessions that take longer than so many times the mean load of a worker are not tried: no good plan has them. */
const LONGEST_PART = 2.5;

/**
 * Curves of all experts on all types from sessions of the engine model. What lies beyond the longest session that was tried is taken to go
 * on as it did on average, and forecasts, being draws, are made not to decrease.
 */
export function sampleCurves(
	problem: Problem,
	requests: readonly CurveRequest[],
): readonly (readonly (Curve | null)[])[] {
	const workers = problem.cluster.gpus.length;
	const samplers = requests.map(({ calls, profiles }) =>
		profiles.map((profile) => (profile === null ? null : new Sampler(problem, profile, calls, workers))),
	);
	const meanSeconds =
		samplers.reduce(
			(sum, row) =>
				sum + Math.min(...row.map((sampler) => sampler?.sampleUpTo(1 / workers) ?? Number.POSITIVE_INFINITY)),
			0,
		) / workers;
	return samplers.map((row) => row.map((sampler) => sampler?.curve(LONGEST_PART * meanSeconds) ?? null));
}

class Sampler {
	private readonly problem: Problem;
	private readonly profile: ReplicaProfile;
	private readonly allCalls: number;
	private readonly sizes: readonly number[];
	private readonly calls: number[] = [];
	private readonly seconds: number[] = [];

	constructor(problem: Problem, profile: ReplicaProfile, allCalls: number, workers: number) {
		this.problem = problem;
		this.profile = profile;
		this.allCalls = allCalls;
		const smallest = Math.max(1, Math.ceil(allCalls * Math.min(SMALLEST_SHARE, 1 / (4 * workers))));
		const sizes = new Set<number>();
		for (let size = allCalls; size > smallest; size /= SIZE_RATIO) sizes.add(Math.round(size));
		this.sizes = [...sizes.add(smallest)].sort((a, b) => a - b);
	}

	/** Tries sessions up to this share of the calls. @returns seconds of one session of all calls, as far as that says */
	sampleUpTo(share: number): number {
		while ((this.calls.at(-1) ?? 0) < share * this.allCalls) this.sampleNext();
		return this.extrapolated();
	}

	curve(limitSeconds: number): Curve {
		while (this.calls.length < this.sizes.length && (this.seconds.at(-1) ?? 0) < limitSeconds)
			this.sampleNext();
		if (this.calls.length < this.sizes.length) {
			this.seconds.push(this.extrapolated());
			this.calls.push(this.allCalls);
		}
		return { calls: this.calls, seconds: this.seconds };
	}

	private get loadSeconds(): number {
		return secondsFromUs(this.profile.loadUs);
	}

	private sampleNext(): void {
		const { model, gpuType, tensorParallel } = this.profile;
		const calls = this.sizes[this.calls.length] ?? this.allCalls;
		const { seconds } = this.problem.forecaster.session({
			model,
			gpuType,
			tensorParallel,
			role: 'expert',
			calls,
		});
		this.calls.push(calls);
		this.seconds.push(Math.max(this.seconds.at(-1) ?? 0, this.loadSeconds + seconds));
	}

	private extrapolated(): number {
		const [calls = 1, seconds = 0] = [this.calls.at(-1), this.seconds.at(-1)];
		return this.loadSeconds + ((seconds - this.loadSeconds) * this.allCalls) / calls;
	}
}
