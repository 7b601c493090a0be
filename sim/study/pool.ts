import os from 'node:os';
import path from 'node:path';
import type { JobOptions, JobRunner, RunJob, RunResult } from './jobs.ts';

/**
 * A runner on worker threads of this machine.
 * @param workerFile module whose default export is `(job: RunJob) => Promise<Summary>`; a .ts file runs through ts-node
 * @param threads at most this many; by default one per core
 */
export function localPool(workerFile: string, threads = os.availableParallelism()): JobRunner {
	return async (jobs, options = {}) => {
		const { Piscina } = await import('piscina');
		const pool = new Piscina({
			filename: workerFile,
			minThreads: 1,
			maxThreads: Math.max(1, Math.min(threads, jobs.length)),
			// Resolved from here: the user may stand in any folder.
			execArgv: path.extname(workerFile) === '.ts' ? ['-r', require.resolve('ts-node/register')] : [],
		});
		try {
			return await runAll(jobs, options, (job) =>
				pool.run(job, options.signal === undefined ? {} : { signal: options.signal }),
			);
		} finally {
			await pool.destroy();
		}
	};
}

/** A runner in this thread, one job after another. */
export function inProcess(run: (job: RunJob) => Promise<RunResult['summary']>): JobRunner {
	return async (jobs, options = {}) => {
		const results: RunResult[] = [];
		for (const job of jobs) {
			options.signal?.throwIfAborted();
			const result = { job, summary: await run(job) };
			results.push(result);
			options.onDone?.(result, results.length, jobs.length);
		}
		return results;
	};
}

async function runAll(
	jobs: readonly RunJob[],
	options: JobOptions,
	run: (job: RunJob) => Promise<RunResult['summary']>,
): Promise<readonly RunResult[]> {
	let done = 0;
	return Promise.all(
		jobs.map(async (job) => {
			const result = { job, summary: await run(job) };
			done++;
			options.onDone?.(result, done, jobs.length);
			return result;
		}),
	);
}
