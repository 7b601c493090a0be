import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { failedSolve, type MipRequest, type MipResult } from './mip.ts';

/**
 * Seconds beyond the solver's own time limit after which its thread is killed: it has to start (half a second through ts-node), and its
 * presolve does not look at the clock.
 */
const GRACE_SECONDS = 10;

/**
 * Solves with HiGHS in a worker thread, so that the caller's event loop stays free and a solver that hangs can be ended. Never rejects:
 * a solver that breaks or is killed is a result.
 */
export function solveWithHighs(request: MipRequest, graceSeconds = GRACE_SECONDS): Promise<MipResult> {
	return new Promise((resolve) => {
		const worker = startWorker(request);
		const killAfterMs = 1000 * (request.limits.timeLimitSeconds + graceSeconds);
		const timer = setTimeout(
			() => finish({ ...failedSolve('killed by the hard stop'), stoppedBy: 'time' }),
			killAfterMs,
		);
		const finish = (result: MipResult): void => {
			clearTimeout(timer);
			worker.removeAllListeners();
			// A WebAssembly trap can leave the instance unusable; every solve has its own and drops it.
			worker.terminate().then(
				() => resolve(result),
				() => resolve(result),
			);
		};
		worker.on('message', finish);
		worker.on('error', (error) =>
			finish(failedSolve(error instanceof Error ? error.message : String(error))),
		);
		worker.on('exit', (code) => finish(failedSolve(`solver thread ended with code ${code}`)));
	});
}

/** In a checkout this file is TypeScript and its worker needs ts-node; in the built package both are JavaScript. */
function startWorker(request: MipRequest): Worker {
	const extension = path.extname(__filename);
	const file = path.join(__dirname, `highs-worker${extension}`);
	if (extension !== '.ts') return new Worker(file, { workerData: request });
	// The compiler behind ts-node is a native addon, and the process crashes when the last thread that holds it ends. Held here too, it
	// outlives the worker; under ts-node it is held anyway, under vitest it is not.
	require('@swc/core');
	return new Worker(file, {
		workerData: request,
		execArgv: ['-r', require.resolve('ts-node/register')],
		env: { ...process.env, TS_NODE_PROJECT: path.resolve(__dirname, '../../tsconfig.json') },
	});
}
