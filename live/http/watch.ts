import type { TimeUs } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import { ServerFailure } from './failure.ts';
import { secondsText } from './time-limit.ts';

/** Aborts a request when its owner gives it up or nothing has been heard of it for too long. */
export class Watch {
	/** What it was aborted for; null while it was not. */
	failure: ServerFailure | null = null;
	private readonly abort = new AbortController();
	private readonly clock: LiveClock;
	private readonly owner: AbortSignal | null;
	private kind: 'first-token' | 'silence' | 'time-out';
	private limitUs: TimeUs;
	private heardUs: TimeUs;
	private cancelTimer: () => void;

	constructor(
		clock: LiveClock,
		owner: AbortSignal | null,
		kind: 'first-token' | 'silence' | 'time-out',
		limitUs: TimeUs,
	) {
		this.clock = clock;
		this.owner = owner;
		this.kind = kind;
		this.limitUs = limitUs;
		this.heardUs = clock.nowUs();
		this.cancelTimer = clock.after(limitUs, this.look);
		if (owner?.aborted) this.cancelled();
		owner?.addEventListener('abort', this.cancelled, { once: true });
	}

	get signal(): AbortSignal {
		return this.abort.signal;
	}

	/** A sign of life. The timer is not set anew for each, which would cost more than reading the token. */
	sign(kind: 'silence', limitUs: TimeUs): void {
		this.heardUs = this.clock.nowUs();
		if (this.kind === kind) return;
		this.kind = kind;
		this.limitUs = limitUs;
		this.cancelTimer();
		this.cancelTimer = this.clock.after(limitUs, this.look);
	}

	end(): void {
		this.cancelTimer();
		this.owner?.removeEventListener('abort', this.cancelled);
	}

	private readonly look = (): void => {
		const leftUs = this.heardUs + this.limitUs - this.clock.nowUs();
		if (leftUs > 0) this.cancelTimer = this.clock.after(leftUs, this.look);
		else this.giveUp(new ServerFailure(this.kind, SAID[this.kind](secondsText(this.limitUs))));
	};

	private readonly cancelled = (): void => this.giveUp(new ServerFailure('cancelled', 'cancelled'));

	private giveUp(failure: ServerFailure): void {
		this.failure ??= failure;
		this.abort.abort();
	}
}

const SAID = {
	'first-token': (limit: string) => `no token in ${limit}`,
	silence: (limit: string) => `no further token in ${limit}`,
	'time-out': (limit: string) => `no answer in ${limit}`,
} as const;
