import type { TimeUs } from '../domain/units.ts';

/** Microseconds of an engine per microsecond of the world, above 0 and at most 1, as a fraction. */
export interface EngineRate {
	readonly numerator: bigint;
	readonly denominator: bigint;
}

export const FULL_RATE: EngineRate = { numerator: 1n, denominator: 1n };

/**
 * Parts of an engine microsecond in which its time is kept. All of 1 to 16 divide it, so equal shares of up to sixteen engines leave no
 * remainder; another rate loses less than one part each time it changes, and the engine is never ahead.
 */
const TICKS = 720_720n;

/** From its beginning on, until the next one, the engine runs at one rate. */
interface Segment {
	readonly worldUs: bigint;
	readonly ticks: bigint;
	readonly rate: EngineRate;
}

/**
 * The time of one engine, which runs slower than the world's while it shares a GPU. Whole numbers only: what happens at an engine
 * microsecond is seen at the first whole world microsecond at or after it, and what the world does between two engine microseconds
 * reaches the engine at the later one. As an engine is never faster than the world, two of its microseconds are never seen at one
 * moment. So nothing precedes its cause, and whether the engine walks from step to step or leaps makes no difference.
 */
export class EngineClock {
	/** Oldest first. One at full rate from equal times: the engine's time is the world's. */
	private segments: Segment[] = [];

	/** An engine that begins to execute steps, alone as far as it knows, takes over the time of the world. */
	restart(nowUs: TimeUs): void {
		const worldUs = BigInt(nowUs);
		this.segments = [{ worldUs, ticks: worldUs * TICKS, rate: FULL_RATE }];
	}

	get rate(): EngineRate {
		return this.segments.at(-1)?.rate ?? FULL_RATE;
	}

	/** Whether the engine's time has been the world's since it began. */
	get isWorldTime(): boolean {
		return this.segments.length <= 1 && this.rate === FULL_RATE;
	}

	setRate(rate: EngineRate, nowUs: TimeUs): void {
		const last = this.segments.at(-1);
		if (last === undefined || last.rate === rate) return;
		const worldUs = BigInt(nowUs);
		if (last.worldUs === worldUs) this.segments.pop();
		this.segments.push({ worldUs, ticks: ticksAt(last, worldUs), rate });
	}

	/**
	 * The first microsecond of the engine that the world sees at this moment or later.
	 * @param worldUs not before the last change of rate
	 */
	engineUs(worldUs: TimeUs): TimeUs {
		const last = this.segments.at(-1);
		if (last === undefined || this.isWorldTime) return worldUs;
		const reachedUs = Number(ticksAt(last, BigInt(worldUs)) / TICKS);
		return this.worldUs(reachedUs) === worldUs ? reachedUs : reachedUs + 1;
	}

	/** When the world sees what the engine does at `engineUs`, past or to come; as things stand, if to come. */
	worldUs(engineUs: TimeUs): TimeUs {
		if (this.isWorldTime) return engineUs;
		const ticks = BigInt(engineUs) * TICKS;
		const { segments } = this;
		let index = 0;
		for (let end = segments.length; end - index > 1; ) {
			const middle = (index + end) >> 1;
			if ((segments[middle] as Segment).ticks <= ticks) index = middle;
			else end = middle;
		}
		const segment = segments[index] as Segment;
		const { numerator, denominator } = segment.rate;
		const parts = (ticks - segment.ticks) * denominator;
		const whole = numerator * TICKS;
		return Number(segment.worldUs + (parts + whole - 1n) / whole);
	}
}

function ticksAt({ worldUs, ticks, rate }: Segment, atUs: bigint): bigint {
	return ticks + ((atUs - worldUs) * TICKS * rate.numerator) / rate.denominator;
}
