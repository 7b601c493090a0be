import path from 'node:path';
import type { RunRecord } from '../domain/run-log.ts';
import { type CallDecisions, type ReplayError, replayError, replaySetup } from '../study/replay-run.ts';
import { columns } from './columns.ts';
import { executeRun } from './execute-run.ts';
import type { Io } from './io.ts';
import { type LoadedRun, loadLog } from './load-run.ts';
import { experimentReference, loadSetup } from './load-setup.ts';
import { signedPercent } from './percent.ts';
import { programVersion } from './version.ts';

/** A run and its replay in the simulator. */
export interface ReplayedRun {
	readonly error: ReplayError;
	readonly measured: LoadedRun;
	readonly simulated: LoadedRun;
	/** Finished, cancelled and failed calls of the run that have no counterpart in the replay, and the other way round. */
	readonly unmatchedCalls: number;
}

/**
 * Replays a finished run in the simulator: same experiment, scheduler and gate, and every prompt, length and answer as it turned out.
 * @throws UsageError when the folder does not hold a run with its experiment
 */
export async function calibrateRun(folder: string, name: string, io: Io): Promise<ReplayedRun> {
	const measured = loadLog(folder, name);
	const { started, records } = measured;
	const { setup, scheduler, gate } = loadSetup(
		{
			experiment: experimentReference(path.join(folder, 'experiment.yaml'), io.cwd),
			sets: [],
			seed: started.seed,
			scheduler: started.scheduler,
			gate: started.gate,
		},
		io.clockSeconds,
	);
	const { clockSeconds, signal } = io;
	const replay = await executeRun({
		setup: replaySetup(setup, records),
		scheduler,
		gate,
		version: programVersion(),
		clockSeconds,
		signal,
	});
	const error = replayError(name, records, replay.records);
	return {
		error,
		measured,
		simulated: {
			name: `${name} simulated`,
			summary: replay.summary,
			records: replay.records,
			world: 'simulated',
		},
		unmatchedCalls: endedCalls(records) + endedCalls(replay.records) - 2 * error.finishedInBoth,
	};
}

/** One line a run: errors of the simulation, and what was measured. */
export function replayText(runs: readonly ReplayedRun[]): string {
	const head = [
		'run',
		'calls',
		'makespan s',
		'simulated s',
		'error',
		'TTFT',
		'TPOT',
		'p95',
		'preempted',
		'in simulation',
	];
	const lines = runs.map(({ error }) => [
		error.name,
		String(error.calls),
		error.measured.makespanSeconds.toFixed(1),
		error.simulated.makespanSeconds.toFixed(1),
		signedPercent(error.makespanErrorPercent),
		signedPercent(error.ttftMeanErrorPercent),
		signedPercent(error.tpotMeanErrorPercent),
		signedPercent(error.latencyP95ErrorPercent),
		String(error.preemptions.measured),
		String(error.preemptions.simulated),
	]);
	const decided = runs.filter(({ error }) =>
		Object.values(error.decided).some(({ moves, cut, cancelled }) => moves + cut + cancelled > 0),
	);
	const unmatched = runs.filter(({ unmatchedCalls }) => unmatchedCalls > 0);
	return `${[
		...columns([head, ...lines], 1),
		...decided.map(({ error: { name, decided: by, finishedInBoth, calls } }) => {
			const pair = (key: keyof CallDecisions): string =>
				`${by.measured[key]} (simulated: ${by.simulated[key]})`;
			return `${name}: moves ${pair('moves')}, calls cut ${pair('cut')}, cancelled ${pair('cancelled')}; the scheduler decided anew, and ${finishedInBoth - calls} calls that moved, or were cut in one only, are not in the means`;
		}),
		...unmatched.map(
			({ error, unmatchedCalls }) =>
				`${error.name}: ${unmatchedCalls} calls ended in one of the two only; the means are over the others`,
		),
	].join('\n')}\n`;
}

const endedCalls = (records: readonly RunRecord[]): number =>
	records.filter(({ type }) => type === 'call-finished').length;
