import type { CallId, ModelId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { Forecaster } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import { secondsFromUs, type TimeUs } from '../domain/units.ts';
import type { CallRole } from '../domain/work.ts';

export interface TimeLeft {
	/** Of run time. */
	readonly seconds: number;
	readonly basis: 'plan' | 'calls so far';
}

/** Until so much of the work is done, its rate says little: what runs first is loading and prefill. */
const TELLING_SHARE = 0.05;

/**
 * How long a run will still take. Work is counted in expected output tokens, as the calls of one model may take a hundred times those of
 * another.
 */
export class TimeLeftEstimate {
	private readonly setup: Setup;
	private readonly tokensOf: (model: ModelId, role: CallRole) => number;
	private readonly expertTokens: number;
	private doneTokens = 0;
	private readonly openAggregations = new Set<CallId>();
	private aggregations = 0;
	private votes = 0;
	private workSinceUs: TimeUs | null = null;

	constructor(setup: Setup, forecaster: Pick<Forecaster, 'outputTokens'>) {
		this.setup = setup;
		const known = new Map<string, number>();
		this.tokensOf = (model, role) => {
			const key = `${role}/${model}`;
			const tokens = known.get(key) ?? forecaster.outputTokens(model, role).mean;
			known.set(key, tokens);
			return tokens;
		};
		this.expertTokens = setup.queries
			.flatMap(({ slots }) => slots)
			.reduce((sum, model) => sum + this.tokensOf(model, 'expert'), 0);
	}

	take(record: RunRecord): void {
		switch (record.type) {
			case 'replica-changed':
				if (record.state === 'awake') this.workSinceUs ??= record.timeUs;
				break;
			case 'aggregation-needed':
				this.aggregations++;
				this.openAggregations.add(record.call);
				break;
			case 'query-settled':
				if (record.by === 'vote') this.votes++;
				break;
			case 'call-finished':
			case 'call-cancelled':
			case 'call-failed':
				if (record.role === 'expert') this.doneTokens += this.tokensOf(record.model, 'expert');
				else this.openAggregations.delete(record.call);
				break;
		}
	}

	/** @returns null while nothing can be said */
	at(nowUs: TimeUs, plan: Plan | null): TimeLeft | null {
		const aggregatorTokens = this.aggregatorTokens();
		const done = this.doneTokens + (this.aggregations - this.openAggregations.size) * aggregatorTokens;
		const undecided = this.setup.queries.length - this.aggregations - this.votes;
		const left =
			this.expertTokens -
			this.doneTokens +
			(this.openAggregations.size + undecided * this.aggregationShare()) * aggregatorTokens;
		if (this.workSinceUs !== null && done >= TELLING_SHARE * (done + left)) {
			const seconds = (left / done) * secondsFromUs(nowUs - this.workSinceUs);
			return { seconds, basis: 'calls so far' };
		}
		if (plan === null) return null;
		const seconds = plan.evidence.objectiveSeconds - secondsFromUs(nowUs);
		return seconds > 0 ? { seconds, basis: 'plan' } : null;
	}

	/** Share of the decided queries that went to the aggregator; all of them until one is decided. */
	private aggregationShare(): number {
		const decided = this.aggregations + this.votes;
		return decided === 0 ? 1 : this.aggregations / decided;
	}

	private aggregatorTokens(): number {
		const { aggregator } = this.setup;
		return aggregator === null ? 0 : this.tokensOf(aggregator.model, 'aggregator');
	}
}
