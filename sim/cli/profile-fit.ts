import type { EngineMeasurement } from '../../live/measure/measure-engine.ts';
import type { GridResult } from '../../live/measure/measure-steps.ts';
import { nonNegativeLeastSquares } from '../../solver/ilp/least-squares.ts';
import { UsageError } from '../domain/errors.ts';
import type { MeasuredRun } from '../domain/measured-run.ts';
import type { EngineConfig } from '../domain/model.ts';
import { stepLoads } from '../study/calibrate-steps.ts';
import { fitClientTimes } from '../study/fit-client-times.ts';
import { fitStepCost, type ReadRun, type StepCostFit } from '../study/fit-step-cost.ts';

export interface ProfileFit {
	readonly fit: StepCostFit;
	/** Where the times came from. */
	readonly basis: 'log' | 'client';
	/** Runs whose log contradicts their calls. */
	readonly unread: readonly string[];
}

/**
 * Step cost from a grid: from the steps in the server's log where it writes them, else from what the client saw. The client's times are taken as
 * well when the log's are not those of the model: an asynchronous engine's hold a wait for the step before, and one whose worker runs in the
 * engine's own process (`--distributed-executor-backend uni`) computes before its watch starts.
 */
export function fitProfile({ grid, engine }: EngineMeasurement): ProfileFit {
	const logged = grid.filter(({ steps }) => steps.length > 0);
	if (engine.asyncScheduling || logged.length === 0 || loggedShare(logged) < LEAST_LOGGED_SHARE) {
		const runs = grid.map(({ run, calls }) => ({ name: run.name, calls }));
		return {
			fit: fitClientTimes(runs, engine.maxNumBatchedTokens, nonNegativeLeastSquares),
			basis: 'client',
			unread: [],
		};
	}
	const read: ReadRun[] = [];
	const unread: string[] = [];
	for (const result of logged) {
		const run = measuredRun(result, engine);
		try {
			read.push({ run, loads: stepLoads(run) });
		} catch (error) {
			if (!(error instanceof UsageError)) throw error;
			unread.push(`${run.name}: ${error.message}`);
		}
	}
	if (read.length === 0) throw new UsageError('E_MEASURED_RUN', unread[0] ?? 'no step was measured');
	return { fit: fitStepCost(read, nonNegativeLeastSquares), basis: 'log', unread };
}

/** Host time between steps is a tenth of a step, not the most of it. */
const LEAST_LOGGED_SHARE = 0.5;

/** Of the time between first and last token of calls that were alone, what the steps in the log make up. */
function loggedShare(results: readonly GridResult[]): number {
	let loggedUs = 0;
	let seenUs = 0;
	for (const { run, calls, steps } of results) {
		const [call] = calls;
		if (run.calls > 1 || call === undefined) continue;
		seenUs += call.lastTokenUs - call.firstTokenUs;
		for (const { prefillSequences, modelUs } of steps) if (prefillSequences === 0) loggedUs += modelUs;
	}
	return seenUs === 0 ? 0 : loggedUs / seenUs;
}

const measuredRun = ({ run, calls, steps }: GridResult, config: EngineConfig): MeasuredRun => ({
	name: run.name,
	place: run.name,
	server: 'this one',
	config,
	calls,
	steps,
	preemptions: 0,
});
