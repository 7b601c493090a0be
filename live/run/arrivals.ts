import type { TimeUs } from '../../sim/domain/units.ts';
import type { Query } from '../../sim/domain/work.ts';
import type { LiveClock } from '../clock.ts';
import type { JournalInput } from '../journal/records.ts';

/** The queries of a run as they become due. */
export class Arrivals {
	private readonly queries: readonly Query[];
	private readonly put: (input: JournalInput) => void;
	/** Queries that were put out. */
	private count: number;
	private cancelTimer: () => void = () => undefined;

	/**
	 * @param queries in order of arrival
	 * @param arrived of which so many arrived before
	 */
	constructor(queries: readonly Query[], arrived: number, put: (input: JournalInput) => void) {
		this.queries = queries;
		this.count = arrived;
		this.put = put;
	}

	/** Puts out what is due by `dueUs`, each instant for itself. */
	putDue(dueUs: TimeUs): void {
		for (let next = this.queries[this.count]; next !== undefined; next = this.queries[this.count]) {
			const timeUs = next.arrivalUs;
			if (timeUs > dueUs) return;
			const from = this.count;
			while (this.queries[this.count]?.arrivalUs === timeUs) this.count++;
			this.put({ kind: 'arrivals', timeUs, from, to: this.count });
		}
	}

	/** Puts out the rest, when it is time. */
	stream(clock: LiveClock): void {
		this.putDue(clock.nowUs());
		const next = this.queries[this.count];
		if (next === undefined) return;
		this.cancelTimer = clock.after(Math.max(0, next.arrivalUs - clock.nowUs()), () => this.stream(clock));
	}

	stop(): void {
		this.cancelTimer();
	}
}
