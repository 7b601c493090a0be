import { UsageError } from '../sim/domain/errors.ts';
import type { Scheduler } from '../sim/domain/scheduler.ts';
import { createAdaptive } from './adaptive.ts';
import type { SchedulerDeps } from './deps.ts';

/**
 * The adaptive policy with the true length of every call in place of the expected one: for what calls in flight will fill, for the work that is left,
 * and for the order, longest first among calls that are equally urgent. It knows neither answers nor arrivals. What planning could gain at most from
 * better forecasts of lengths; marked in every table.
 * @param name `oracle`, or with the switches of `adaptive`: `oracle:all-cuts`
 * @throws UsageError E_UNKNOWN_SWITCH; in planning E_LENGTHS_UNKNOWN, where nobody can say how long calls will be
 */
export function createOracle({ trueOutputTokens }: SchedulerDeps, name = 'oracle'): Scheduler {
	const adaptive = createAdaptive(name, {}, trueOutputTokens ?? null);
	return {
		...adaptive,
		knowsLengths: true,
		async plan(problem) {
			if (trueOutputTokens !== undefined) return adaptive.plan(problem);
			throw new UsageError(
				'E_LENGTHS_UNKNOWN',
				`scheduler ${name} decides by the true length of every answer, and nobody knows those of real ones beforehand; expected a run with simulated lengths`,
			);
		},
	};
}
