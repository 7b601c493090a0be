import type { GpuId } from '../domain/ids.ts';
import type { Gpu } from '../domain/model.ts';
import { type EngineRate, FULL_RATE } from './engine-clock.ts';

/** An engine as the GPUs see it. */
export interface GpuUser {
	readonly gpus: readonly GpuId[];
}

/**
 * Which engines execute steps on which GPUs, and how fast that lets each of them go. An engine over several GPUs waits for the slowest
 * of them. Rates change only when an engine begins or ceases.
 */
export class SharedGpus<User extends GpuUser> {
	private readonly places: ReadonlyMap<GpuId, Place<User>>;

	constructor(gpus: readonly Gpu[]) {
		this.places = new Map(gpus.map((gpu) => [gpu.id, new Place<User>(gpu.sharedSpeeds ?? [])]));
	}

	/** @returns everybody whose rate may have changed, the newcomer included */
	begin(user: User): readonly User[] {
		for (const place of this.placesOf(user)) place.users.add(user);
		return this.neighbours(user);
	}

	/** @returns everybody whose rate may have changed */
	cease(user: User): readonly User[] {
		for (const place of this.placesOf(user)) place.users.delete(user);
		return this.neighbours(user);
	}

	rate(user: User): EngineRate {
		let slowest = FULL_RATE;
		for (const { rate } of this.placesOf(user)) if (isSlower(rate, slowest)) slowest = rate;
		return slowest;
	}

	private neighbours(user: User): readonly User[] {
		return [...new Set(this.placesOf(user).flatMap(({ users }) => [...users]))];
	}

	private placesOf({ gpus }: User): readonly Place<User>[] {
		return gpus.flatMap((gpu) => this.places.get(gpu) ?? []);
	}
}

class Place<User> {
	readonly users = new Set<User>();
	private readonly rates: EngineRate[] = [FULL_RATE];
	private readonly speeds: readonly number[];

	constructor(speeds: readonly number[]) {
		this.speeds = speeds;
	}

	/** Of each engine on this GPU; what was not measured is divided equally. */
	get rate(): EngineRate {
		const engines = Math.max(1, this.users.size);
		let rate = this.rates[engines - 1];
		if (rate === undefined) {
			const speed = this.speeds[engines - 1];
			rate = speed === undefined ? { numerator: 1n, denominator: BigInt(engines) } : fraction(speed);
			this.rates[engines - 1] = rate;
		}
		return rate;
	}
}

const MILLION = 1_000_000;

/** A measured speed in millionths: finer than anything measured. */
const fraction = (speed: number): EngineRate => ({
	numerator: BigInt(Math.max(1, Math.round(speed * MILLION))),
	denominator: BigInt(MILLION),
});

const isSlower = (a: EngineRate, b: EngineRate): boolean =>
	a.numerator * b.denominator < b.numerator * a.denominator;
