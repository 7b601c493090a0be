import type { Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { TrueOutputTokens } from '../../solver/deps.ts';
import { solveMip } from '../../solver/ilp/highs-solve.ts';
import { createIlp } from '../../solver/ilp.ts';
import { createScheduler, knowsLengths } from '../../solver/index.ts';

/** They solve, or simulate, for every plan: tests give them fewer cases. */
export const SLOW_POLICIES: ReadonlySet<string> = new Set(['ilp', 'ilp-curves', 'lookahead']);

/** The policy of this name for one run of a setup. The ILP solves in this thread: a worker for each of a hundred small problems takes most of the time. */
export function policyFor(name: string, setup: Pick<Setup, 'truth'>): Scheduler {
	const deps = { clockSeconds: () => 0 };
	if (name === 'ilp') return createIlp(deps, solveMip);
	return createScheduler(name, {
		...deps,
		...(knowsLengths(name) && { trueOutputTokens: lengthsOf(setup) }),
	});
}

const lengthsOf =
	({ truth }: Pick<Setup, 'truth'>): TrueOutputTokens =>
	({ id, query, role }) =>
		role === 'expert' ? truth.call(id).outputTokens : truth.query(query).aggregatorOutputTokens;
