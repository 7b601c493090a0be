import { didYouMean } from '../did-you-mean.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { ModelEntry } from './catalog.ts';
import type { Fail } from './fail.ts';

export interface ExpertCalls {
	readonly entry: ModelEntry;
	/** At least 1. */
	readonly calls: number;
}

/**
 * Models of the pool that are called, in pool order; those without slots are left out.
 * @param queries questions in the batch
 */
export function resolveSlots(
	experiment: Experiment,
	queries: number,
	pool: readonly ModelEntry[],
	fail: Fail,
): readonly ExpertCalls[] {
	const { slots, slotsPerQuery, keepQueries = queries } = experiment.workload;
	const path = ['workload', 'slots'];
	const repeated = experiment.pool.findIndex((id, index) => experiment.pool.indexOf(id) < index);
	if (repeated >= 0)
		throw fail(
			['pool', repeated],
			'E_EXPERIMENT_VALUE',
			'each model once',
			`'${experiment.pool[repeated]}' again`,
		);
	for (const id of Object.keys(slots)) {
		if (experiment.pool.includes(id)) continue;
		const got = `'${id}'${didYouMean(id, experiment.pool)}`;
		throw fail([...path, id], 'E_UNKNOWN_MODEL', `a model of the pool (${experiment.pool.join(', ')})`, got);
	}
	if (keepQueries > queries) {
		throw fail(
			['workload', 'keepQueries'],
			'E_EXPERIMENT_VALUE',
			`at most ${queries}, the questions of the batch`,
			String(keepQueries),
		);
	}
	const total = Object.values(slots).reduce((sum, calls) => sum + calls, 0);
	const expected = queries * slotsPerQuery;
	if (total === 0) throw fail(path, 'E_SLOTS', 'at least one call', 'none');
	if (total !== expected) {
		throw fail(
			path,
			'E_SLOTS',
			`counts that add up to ${expected} (${queries} queries x ${slotsPerQuery} slots)`,
			String(total),
		);
	}
	return pool.map((entry) => ({ entry, calls: slots[entry.model.id] ?? 0 })).filter(({ calls }) => calls > 0);
}
