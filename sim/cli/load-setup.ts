import { existsSync } from 'node:fs';
import path from 'node:path';
import type { TrueOutputTokens } from '../../solver/deps.ts';
import {
	baseName,
	checkBeforePlanning,
	createScheduler,
	knowsLengths,
	schedulerNames,
} from '../../solver/index.ts';
import { didYouMean, experimentNames, loadExperiment, locateField } from '../../traces/index.ts';
import { createSetupGate, gateNames } from '../aggregate/index.ts';
import { createProblem } from '../core/problem.ts';
import { UsageError } from '../domain/errors.ts';
import { oneOf } from '../domain/one-of.ts';
import type { Problem, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Gate } from '../domain/work.ts';
import { checkEngineConfig } from '../engine/index.ts';
import { planningForecaster } from '../run/simulate.ts';
import { checkName } from './names.ts';
import { placedError } from './placed-error.ts';

export interface SetupRequest {
	/** A file, or the name of a bundled experiment. */
	readonly experiment: string;
	readonly sets: readonly string[];
	/** Absent: as the experiment says. */
	readonly seed?: number | undefined;
	readonly scheduler?: string | undefined;
	readonly gate?: string | undefined;
}

/** Everything one run is made of. */
export interface LoadedSetup {
	readonly setup: Setup;
	readonly scheduler: Scheduler;
	readonly gate: Gate;
}

/** @throws UsageError for anything wrong with the experiment, the overrides or the names */
export function loadSetup(request: SetupRequest, clockSeconds: () => number): LoadedSetup {
	const { experiment, sets, seed, scheduler, gate } = request;
	// Flags first: a mistake in one is quicker to see than a workload is to generate.
	if (scheduler !== undefined) checkScheduler(scheduler);
	if (gate !== undefined) checkName('gate', gate, gateNames);
	const setup = loadExperiment(experiment, {
		sets,
		...(seed !== undefined && { seed }),
		...(scheduler !== undefined && { scheduler }),
		...(gate !== undefined && { gate }),
	});
	// The flags are right, so a wrong name is the file's, or that of a --set.
	checkField(request, 'scheduler', baseName(setup.scheduler), schedulerNames);
	checkField(request, 'gate', setup.gate, gateNames);
	const lengths = knowsLengths(setup.scheduler) ? { trueOutputTokens: trueOutputTokens(setup) } : {};
	const policy = placed(request, () => {
		for (const { engine } of setup.profiles) checkEngineConfig(engine);
		return createScheduler(setup.scheduler, { clockSeconds, ...lengths });
	});
	return {
		setup,
		scheduler: withPlaces(policy, request),
		gate: createSetupGate(setup, policy.takesCuts ?? false),
	};
}

/**
 * What planning would find wrong at once, said before a command says or writes anything.
 * @throws UsageError
 */
export function checkPlannable(
	{ setup, gate }: Pick<LoadedSetup, 'setup' | 'gate'>,
	request: SetupRequest,
	schedulers: readonly string[] = [setup.scheduler],
): void {
	const problem = createProblem(setup, gate, planningForecaster(setup, gate));
	placed(request, () => {
		for (const scheduler of schedulers) checkBeforePlanning(scheduler, problem);
	});
}

/** What this finds wrong it says with its place in the experiment. */
function placed<T>({ experiment, sets }: SetupRequest, act: () => T): T {
	try {
		return act();
	} catch (error) {
		throw placedError(error, experiment, sets);
	}
}

/** @throws UsageError E_UNKNOWN_SCHEDULER, E_UNKNOWN_SWITCH */
export function checkScheduler(name: string): void {
	checkName('scheduler', baseName(name), schedulerNames);
	createScheduler(name, { clockSeconds: () => 0 });
}

/** traces/ knows neither schedulers nor gates; the place in the file is said all the same. */
function checkField(
	{ experiment, sets }: SetupRequest,
	field: 'scheduler' | 'gate',
	name: string,
	known: readonly string[],
): void {
	if (known.includes(name)) return;
	const place = locateField(experiment, { sets }, field === 'gate' ? ['gate', 'name'] : [field]);
	throw new UsageError(
		`E_UNKNOWN_${field.toUpperCase()}`,
		`${place} ${field}: expected ${oneOf(known)}, got '${name}'${didYouMean(name, known)}`,
	);
}

/** The scheduler, except that what it refuses in planning says where in the experiment. */
const withPlaces = (scheduler: Scheduler, { experiment, sets }: SetupRequest): Scheduler => ({
	name: scheduler.name,
	...(scheduler.takesCuts && { takesCuts: true }),
	...(scheduler.knowsLengths && { knowsLengths: true }),
	decide: (view) => scheduler.decide(view),
	async plan(problem: Problem) {
		try {
			return await scheduler.plan(problem);
		} catch (error) {
			throw placedError(error, experiment, sets);
		}
	},
});

/** What the oracle is told, and nobody else. */
const trueOutputTokens =
	({ truth }: Setup): TrueOutputTokens =>
	({ id, query, role }) =>
		role === 'expert' ? truth.call(id).outputTokens : truth.query(query).aggregatorOutputTokens;

/** The path from where this process stands; a bundled name, and what does not exist, stays as it was typed. */
export function experimentReference(typed: string, cwd: string): string {
	const file = path.resolve(cwd, typed);
	return experimentNames().includes(typed) || !existsSync(file) ? typed : path.relative(process.cwd(), file);
}
