import { setMaxListeners } from 'node:events';
import path from 'node:path';
import type { JobRunner } from '../study/jobs.ts';
import { localPool } from '../study/pool.ts';
import { Interrupted } from './exit.ts';
import { arrived } from './travelling-error.ts';

/**
 * Runs jobs on worker threads, one per core, until the signal aborts.
 * Its runner throws Interrupted when the user asked to stop, UsageError and everything else as the job threw it.
 */
export function studyPool(signal: AbortSignal): JobRunner {
	const pool = localPool(path.join(__dirname, `run-job${path.extname(__filename)}`));
	// Every waiting job listens.
	setMaxListeners(0, signal);
	return async (jobs, options) => {
		try {
			return await pool(jobs, { ...options, signal });
		} catch (error) {
			if (signal.aborted) throw new Interrupted('interrupted');
			throw arrived(error);
		}
	};
}
