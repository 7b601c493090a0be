/**
 * Entry of the solver's worker thread: answers each MipRequest it is sent with one MipResult, in order. It ends when its thread is
 * terminated.
 */
import { parentPort } from 'node:worker_threads';
import { createMipSolver } from './highs-solve.ts';
import { failedSolve, type MipRequest, type MipResult } from './mip.ts';

const solve = createMipSolver();
const post = (result: MipResult): void => parentPort?.postMessage(result);

// A solver that broke is an answer too: the caller falls back on greedy.
parentPort?.on('message', (request: MipRequest) => {
	solve(request).then(post, (error: unknown) =>
		post(failedSolve(error instanceof Error ? error.message : String(error))),
	);
});
