import { setTimeout as pause } from 'node:timers/promises';
import type { MeasuredStep } from '../../sim/domain/measured-run.ts';
import type { EngineConfig } from '../../sim/domain/model.ts';
import type { LiveClock } from '../clock.ts';
import type { ServerClient } from '../http/server-client.ts';
import { type GridRun, stepGrid } from './grid.ts';
import { readIterations } from './iteration-log.ts';
import { logLength, logSince } from './log-part.ts';
import type { MeasuredServer } from './measured-server.ts';
import { sendCalls, type TimedCall } from './send-calls.ts';

export interface GridResult {
	readonly run: GridRun;
	readonly calls: readonly TimedCall[];
	/** From the server's log; empty where it does not write its steps. */
	readonly steps: readonly MeasuredStep[];
}

export interface StepMeasurement {
	readonly engine: EngineConfig;
	readonly clock: LiveClock;
	readonly takesScripts: boolean;
	readonly signal: AbortSignal;
	/** Before each run. */
	readonly progress: (done: number, of: number, name: string) => void;
}

/** Steps are compiled and caches filled at first use: these are not kept. */
const WARM_UP: readonly GridRun[] = [
	{ name: 'warm-up-1', calls: 1, promptTokens: 200, outputTokens: 8 },
	{ name: 'warm-up-4', calls: 4, promptTokens: 100, outputTokens: 8 },
];

/** Lines of a step reach the log a little after its tokens reach the client. */
const LOG_LOOK_MS = 20;
const LOG_LOOKS = 50;

/** Runs the grid on a server that does nothing else. */
export async function measureSteps(
	server: MeasuredServer,
	measurement: StepMeasurement,
): Promise<readonly GridResult[]> {
	const { engine, signal, progress } = measurement;
	for (const run of WARM_UP)
		if (run.calls <= engine.maxNumSeqs) await measureRun(server, run, measurement, false);
	const logsSteps = readIterations(logSince(server.logFile, 0)).length > 0;
	const grid = stepGrid(engine);
	const results: GridResult[] = [];
	for (const [index, run] of grid.entries()) {
		signal.throwIfAborted();
		progress(index, grid.length, run.name);
		results.push(await measureRun(server, run, measurement, logsSteps));
	}
	return results;
}

async function measureRun(
	{ client, logFile }: { readonly client: ServerClient; readonly logFile: string },
	run: GridRun,
	{ clock, takesScripts, signal }: StepMeasurement,
	logsSteps: boolean,
): Promise<GridResult> {
	const from = logLength(logFile);
	const orders = Array.from({ length: run.calls }, (_, index) => ({
		stream: `${run.name} ${index}`,
		...run,
	}));
	const calls = await sendCalls(client, orders, clock, takesScripts, signal);
	if (!logsSteps) return { run, calls, steps: [] };
	const decodeTokens = calls.reduce((sum, { outputTokens }) => sum + outputTokens - 1, 0);
	let steps: readonly MeasuredStep[] = [];
	for (let look = 0; look < LOG_LOOKS; look++) {
		steps = readIterations(logSince(logFile, from));
		if (steps.reduce((sum, step) => sum + step.decodeTokens, 0) >= decodeTokens) break;
		await pause(LOG_LOOK_MS);
	}
	return { run, calls, steps };
}
