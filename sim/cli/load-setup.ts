import { existsSync } from 'node:fs';
import path from 'node:path';
import { createScheduler, schedulerNames } from '../../solver/index.ts';
import { didYouMean, experimentNames, loadExperiment, locateField } from '../../traces/index.ts';
import { createGate, gateNames } from '../aggregate/index.ts';
import { UsageError } from '../domain/errors.ts';
import type { Problem, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Gate } from '../domain/work.ts';
import { checkEngineConfig } from '../engine/index.ts';
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
	if (scheduler !== undefined) checkName('scheduler', scheduler, schedulerNames);
	if (gate !== undefined) checkName('gate', gate, gateNames);
	const setup = loadExperiment(experiment, {
		sets,
		...(seed !== undefined && { seed }),
		...(scheduler !== undefined && { scheduler }),
		...(gate !== undefined && { gate }),
	});
	// The flags are right, so a wrong name is the file's, or that of a --set.
	checkField(request, 'scheduler', setup.scheduler, schedulerNames);
	checkField(request, 'gate', setup.gate, gateNames);
	try {
		for (const { engine } of setup.profiles) checkEngineConfig(engine);
	} catch (error) {
		throw placedError(error, experiment, sets);
	}
	return {
		setup,
		scheduler: withPlaces(createScheduler(setup.scheduler, { clockSeconds }), request),
		gate: createGate(setup.gate),
	};
}

/** traces/ knows neither schedulers nor gates; the place in the file is said all the same. */
function checkField(
	{ experiment, sets }: SetupRequest,
	field: 'scheduler' | 'gate',
	name: string,
	known: readonly string[],
): void {
	if (known.includes(name)) return;
	const place = locateField(experiment, { sets }, [field]);
	throw new UsageError(
		`E_UNKNOWN_${field.toUpperCase()}`,
		`${place} ${field}: expected one of ${known.join(', ')}, got '${name}'${didYouMean(name, known)}`,
	);
}

/** The scheduler, except that what it refuses in planning says where in the experiment. */
const withPlaces = (scheduler: Scheduler, { experiment, sets }: SetupRequest): Scheduler => ({
	name: scheduler.name,
	decide: (view) => scheduler.decide(view),
	async plan(problem: Problem) {
		try {
			return await scheduler.plan(problem);
		} catch (error) {
			throw placedError(error, experiment, sets);
		}
	},
});

/** The path from where this process stands; a bundled name, and what does not exist, stays as it was typed. */
export function experimentReference(typed: string, cwd: string): string {
	const file = path.resolve(cwd, typed);
	return experimentNames().includes(typed) || !existsSync(file) ? typed : path.relative(process.cwd(), file);
}
