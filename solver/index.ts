import { UsageError } from '../sim/domain/errors.ts';
import type { Scheduler } from '../sim/domain/scheduler.ts';
import { createDataParallel } from './data-parallel.ts';
import type { SchedulerDeps } from './deps.ts';
import { createGreedy } from './greedy.ts';
import { createIlp } from './ilp.ts';
import { createRoundRobin } from './round-robin.ts';
import { createSequential } from './sequential.ts';

const factories: Readonly<Record<string, (deps: SchedulerDeps) => Scheduler>> = {
	'round-robin': createRoundRobin,
	'data-parallel': createDataParallel,
	sequential: createSequential,
	greedy: createGreedy,
	ilp: (deps) => createIlp(deps),
};

/** Names for `createScheduler`, in the order of tables. */
export const schedulerNames: readonly string[] = Object.keys(factories);

/** @throws UsageError E_UNKNOWN_SCHEDULER */
export function createScheduler(name: string, deps: SchedulerDeps): Scheduler {
	const create = Object.hasOwn(factories, name) ? factories[name] : undefined;
	if (create === undefined)
		throw new UsageError(
			'E_UNKNOWN_SCHEDULER',
			`unknown scheduler '${name}', expected one of: ${schedulerNames.join(', ')}`,
		);
	return create(deps);
}
