import { present } from '../../sim/domain/errors.ts';
import type { Demand } from '../../sim/domain/scheduler.ts';
import { type TimeUs, usFromSeconds } from '../../sim/domain/units.ts';
import type { Query } from '../../sim/domain/work.ts';
import type { Experiment } from '../experiment-schema.ts';
import { drawArrivals } from '../generate/arrivals.ts';
import type { Inputs } from '../input-files.ts';
import type { Batch } from './batch.ts';
import type { Fail } from './fail.ts';
import type { ExpertCalls } from './slots.ts';

/** When queries arrive, and what may be known of it beforehand. */
export interface Arrivals {
	/** One for each query, not falling; null: all at time 0. */
	readonly timesUs: readonly TimeUs[] | null;
	/** Null where nobody states it. */
	readonly perSecond: number | null;
}

/** A run of 30 years: beyond, microseconds would lose their last digits. */
const LATEST_SECONDS = 1e9;

/** @param count queries of the run */
export function resolveArrivals(
	{ seed, workload: { arrivals } }: Experiment,
	inputs: Inputs,
	count: number,
	fail: Fail,
): Arrivals {
	const path = ['workload', 'arrivals'];
	const microseconds = (seconds: readonly number[], field: string): readonly TimeUs[] => {
		const last = seconds.at(-1) ?? 0;
		if (last <= LATEST_SECONDS) return seconds.map(usFromSeconds);
		const expected = `a last arrival within ${LATEST_SECONDS} s`;
		throw fail([...path, field], 'E_EXPERIMENT_VALUE', expected, `${last.toExponential(1)} s`);
	};
	if (arrivals === 'batch') return { timesUs: null, perSecond: null };
	if (arrivals.process === 'trace') {
		const { file, seconds: recorded } = present(inputs.arrivals, 'recorded arrivals');
		if (recorded.length < count)
			throw fail(
				[...path, 'file'],
				'E_EXPERIMENT_VALUE',
				`at least ${count} arrivals, one for each query`,
				`${recorded.length} in '${file}'`,
			);
		const seconds = recorded.slice(0, count).map((second) => second / arrivals.speed);
		return { timesUs: microseconds(seconds, 'speed'), perSecond: arrivals.expectedPerSecond ?? null };
	}
	const { perSecond } = arrivals;
	const burstiness = arrivals.process === 'gamma' ? arrivals.burstiness : 1;
	const seconds = drawArrivals(seed, count, { perSecond, burstiness });
	return { timesUs: microseconds(seconds, 'perSecond'), perSecond };
}

/** The queries at their times; the first to be asked arrives first. */
export const arriving = (queries: readonly Query[], { timesUs }: Arrivals): readonly Query[] =>
	timesUs === null
		? queries
		: queries.map((query, index) => ({ ...query, arrivalUs: timesUs[index] ?? query.arrivalUs }));

/** What planning may know of queries to come: the rate, and the slot table shared out among the tasks. Null in a batch. */
export function demandOf(
	{ timesUs, perSecond }: Arrivals,
	batch: Batch,
	experts: readonly ExpertCalls[],
): Demand | null {
	if (timesUs === null) return null;
	const { asked, count, tasks } = batch;
	const askedOf = (task: string): number =>
		asked === null ? count : asked.reduce((sum, each) => sum + (each.task === task ? 1 : 0), 0);
	return {
		queriesPerSecond: perSecond,
		callsPerQuery: experts.flatMap(({ entry, calls }) =>
			tasks.map((task) => ({ model: entry.model.id, task, calls: (calls * askedOf(task)) / count ** 2 })),
		),
	};
}
