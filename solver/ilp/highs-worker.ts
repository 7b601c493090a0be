/** Entry of the solver's worker thread: solves `workerData`, posts one MipResult, ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { solveMip } from './highs-solve.ts';
import { failedSolve, type MipRequest, type MipResult } from './mip.ts';

const post = (result: MipResult): void => parentPort?.postMessage(result);

// A solver that broke is an answer too: the caller falls back on greedy.
solveMip(workerData as MipRequest).then(post, (error: unknown) =>
	post(failedSolve(error instanceof Error ? error.message : String(error))),
);
