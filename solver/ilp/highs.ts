import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { failedSolve, type MipRequest, type MipResult, type SolveMip } from './mip.ts';

/**
 * Seconds beyond the solver's own time limit after which its thread is killed: it has to start, and its presolve does not look at the
 * clock.
 */
const GRACE_SECONDS = 10;

/** A solver thread. Not to be asked again before it has answered. */
export interface SolverThread {
	/** Never rejects: a solver that breaks or is killed is a result, and everything asked afterwards fails. */
	readonly solve: SolveMip;
	readonly close: () => Promise<void>;
}

/**
 * Solves one program with HiGHS in a worker thread, so that the caller's event loop stays free and a solver that hangs can be ended.
 * Never rejects: a solver that breaks or is killed is a result.
 */
export async function solveWithHighs(request: MipRequest, graceSeconds = GRACE_SECONDS): Promise<MipResult> {
	const thread = openHighs(graceSeconds);
	const result = await thread.solve(request);
	await thread.close();
	return result;
}

/** The same for many programs, which share the time that the thread takes to start. */
export function openHighs(graceSeconds = GRACE_SECONDS): SolverThread {
	const worker = startWorker();
	let ended: string | null = null;
	let answer: ((result: MipResult) => void) | null = null;
	const end = (why: string): void => {
		ended ??= why;
		answer?.(failedSolve(why));
	};
	worker.on('message', (result: MipResult) => answer?.(result));
	worker.on('error', (error) => end(error instanceof Error ? error.message : String(error)));
	worker.on('exit', (code) => end(`solver thread ended with code ${code}`));

	const close = async (): Promise<void> => {
		ended ??= 'the solver thread was closed';
		worker.removeAllListeners();
		// A thread that is gone already is closed as well.
		await worker.terminate().catch(() => undefined);
	};
	const solve: SolveMip = (request) => {
		if (ended !== null) return Promise.resolve(failedSolve(ended));
		return new Promise((resolve) => {
			const killAfterMs = 1000 * (request.limits.timeLimitSeconds + graceSeconds);
			const timer = setTimeout(() => {
				const why = 'killed by the hard stop';
				void close().then(() => answer?.({ ...failedSolve(why), stoppedBy: 'time' }));
			}, killAfterMs);
			answer = (result) => {
				answer = null;
				clearTimeout(timer);
				resolve(result);
			};
			worker.postMessage(request);
		});
	};
	return { solve, close };
}

/**
 * In a checkout this file is TypeScript and so is its worker, in the built package both are JavaScript. The worker compiles its few files
 * with the compiler behind ts-node alone: ts-node itself takes half a second to start, which is longer than most programs take to solve.
 */
function startWorker(): Worker {
	const extension = path.extname(__filename);
	const file = path.join(__dirname, `highs-worker${extension}`);
	if (extension !== '.ts') return new Worker(file);
	// The compiler is a native addon, and the process crashes when the last thread that holds it ends. Held here too, it outlives the
	// worker; under ts-node it is held anyway, under vitest it is not.
	require('@swc/core');
	const options = {
		jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
		module: { type: 'commonjs' },
	};
	const code = `
		const { transformFileSync } = require(${JSON.stringify(require.resolve('@swc/core'))});
		require.extensions['.ts'] = (module, file) =>
			module._compile(transformFileSync(file, ${JSON.stringify({ ...options, swcrc: false })}).code, file);
		require(${JSON.stringify(file)});
	`;
	return new Worker(code, { eval: true, execArgv: [] });
}
