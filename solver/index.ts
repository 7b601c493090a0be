import { UsageError } from '../sim/domain/errors.ts';
import type { Problem, Scheduler } from '../sim/domain/scheduler.ts';
import { createAdaptive } from './adaptive.ts';
import { createDataParallel } from './data-parallel.ts';
import type { SchedulerDeps } from './deps.ts';
import { createGreedy } from './greedy.ts';
import { checkSeats } from './ilp/instance.ts';
import { createIlp } from './ilp.ts';
import { createIlpCurves } from './ilp-curves.ts';
import { createLookahead } from './lookahead.ts';
import { createOracle } from './oracle.ts';
import { createRoundRobin } from './round-robin.ts';
import { createSequential } from './sequential.ts';
import { createWorst } from './worst.ts';

type Factory = (deps: SchedulerDeps, name: string) => Scheduler;

const factories: Readonly<Record<string, Factory>> = {
	'round-robin': createRoundRobin,
	'data-parallel': createDataParallel,
	sequential: createSequential,
	greedy: () => createGreedy(),
	ilp: (deps) => createIlp(deps),
	'ilp-curves': (deps) => createIlpCurves(deps),
	adaptive: (_, name) => createAdaptive(name),
	lookahead: () => createLookahead(),
	oracle: createOracle,
	worst: createWorst,
};

/** Names for `createScheduler`, in the order of tables. Some take variants: see `baseName`. */
export const schedulerNames: readonly string[] = Object.keys(factories);

/** To be asked for by name: one runs everything ten times, one knows what nobody can, one is bad on purpose. */
const ON_DEMAND: ReadonlySet<string> = new Set(['lookahead', 'oracle', 'worst']);

/** Those that are compared when nobody says which. */
export const defaultSchedulerNames: readonly string[] = schedulerNames.filter((name) => !ON_DEMAND.has(name));

/** Whether a policy of this name is to be given `SchedulerDeps.trueOutputTokens`. */
export const knowsLengths = (name: string): boolean => baseName(name) === 'oracle';

/** The policy of a name with or without switches: `adaptive` of `adaptive:all-cuts`. */
export const baseName = (name: string): string => name.split(':', 1)[0] ?? name;

/**
 * @param name one of `schedulerNames`; `adaptive` and `oracle` also with switches, `adaptive:all-cuts` or `oracle:none+early`
 * @throws UsageError E_UNKNOWN_SCHEDULER, E_UNKNOWN_SWITCH
 */
export function createScheduler(name: string, deps: SchedulerDeps): Scheduler {
	const base = baseName(name);
	const create = Object.hasOwn(factories, base) ? factories[base] : undefined;
	if (create === undefined)
		throw new UsageError(
			'E_UNKNOWN_SCHEDULER',
			`unknown scheduler '${name}', expected one of: ${schedulerNames.join(', ')}`,
		);
	if (base !== name && !SWITCHED.has(base))
		throw new UsageError(
			'E_UNKNOWN_SWITCH',
			`scheduler ${name}: expected no switches, which only adaptive and oracle have, got '${name}'`,
		);
	return create(deps, name);
}

/**
 * Says what planning would find wrong with K at once, before anything is begun. Policies that do not keep K have nothing to say.
 * @throws UsageError E_MODEL_FITS_NO_GPU, E_TOO_FEW_SEATS
 */
export function checkBeforePlanning(name: string, problem: Problem): void {
	if (KEEPS_K.has(name)) checkSeats(problem);
}

const KEEPS_K: ReadonlySet<string> = new Set(['greedy', 'ilp', 'ilp-curves']);

const SWITCHED: ReadonlySet<string> = new Set(['adaptive', 'oracle']);
