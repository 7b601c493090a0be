/** What a worker thread of a study does: one run, start to end. Loaded by the pool by its file name. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Summary } from '../report/summary.ts';
import type { RunJob } from '../study/jobs.ts';
import { writeFileAtomically } from './atomic-file.ts';
import { executeRun } from './execute-run.ts';
import { jsonText } from './json-text.ts';
import { type LoadedSetup, loadSetup } from './load-setup.ts';
import { planDocument } from './plan-document.ts';
import { createRunFolder } from './run-folder.ts';
import { simulateWords } from './simulate-words.ts';
import { departing } from './travelling-error.ts';
import { programVersion } from './version.ts';
import { writeRun } from './write-run.ts';

export default async function runJob(job: RunJob): Promise<Summary> {
	try {
		const loaded = loadSetup(job, clockSeconds);
		if (job.folder === null || job.detail === 'summary') return await runForSummary(job, loaded);
		const folder = createRunFolder({
			out: job.folder,
			runsFolder: path.dirname(job.folder),
			defaultName: path.basename(job.folder),
			kind: 'run',
			command: simulateWords(job),
			version: programVersion(),
			startedAt: new Date(),
		});
		const io = { now: () => new Date(), stderr: process.stderr };
		return await writeRun({ ...loaded, ...surroundings(), ...io, folder });
	} catch (error) {
		throw departing(error);
	}
}

async function runForSummary(job: RunJob, loaded: LoadedSetup): Promise<Summary> {
	const run = await executeRun({ ...loaded, ...surroundings() });
	if (job.folder !== null) {
		mkdirSync(job.folder, { recursive: true });
		const plan = run.plan === null ? null : planDocument(run.plan, run.measuredSolveSeconds);
		writeFileAtomically(path.join(job.folder, 'plan.json'), jsonText(plan));
		writeFileAtomically(path.join(job.folder, 'summary.json'), jsonText(run.summary));
	}
	return run.summary;
}

const clockSeconds = (): number => performance.now() / 1000;

/** A thread is not asked to stop; it is ended. */
const surroundings = () => ({
	clockSeconds,
	version: programVersion(),
	signal: new AbortController().signal,
});
