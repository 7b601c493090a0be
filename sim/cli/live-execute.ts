import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { createBackend } from '../../live/backends/index.ts';
import { withoutSleep } from '../../live/backends/without-sleep.ts';
import { startClock } from '../../live/clock.ts';
import { createContent } from '../../live/content/create-content.ts';
import { createLiveJudge } from '../../live/content/judge.ts';
import { LiveExecutor } from '../../live/executor/live-executor.ts';
import type { Happening } from '../../live/happening.ts';
import type { Journal } from '../../live/journal/journal.ts';
import { thisController } from '../../live/journal/lock.ts';
import type { JournalEntry } from '../../live/journal/records.ts';
import { registerRun } from '../../live/process/registry.ts';
import { LiveRun } from '../../live/run/live-run.ts';
import type { CallFinished, RunRecord } from '../domain/run-log.ts';
import { usFromSeconds } from '../domain/units.ts';
import { type Summary, summarize } from '../report/summary.ts';
import { planningForecaster } from '../run/simulate.ts';

import type { Arguments } from './arguments.ts';
import type { ExecutedRun } from './execute-run.ts';
import type { Io } from './io.ts';
import { keepRun } from './keep-run.ts';
import { answerLine } from './live-answers.ts';
import type { LiveOptions } from './live-options.ts';
import { LiveWatch } from './live-watch.ts';
import type { LoadedSetup } from './load-setup.ts';
import { boundOnObserved, boundOnTruth } from './run-bound.ts';
import type { RunFolder } from './run-folder.ts';
import { timed } from './timed-scheduler.ts';
import { programVersion } from './version.ts';

/** A live run that may begin, or go on. */
export interface LiveJob extends LiveOptions {
	readonly loaded: LoadedSetup;
	readonly folder: RunFolder;
	readonly runId: string;
	/** Opens the journal, with its header and what was before. Called when nothing of the user's can be wrong any more. */
	readonly openJournal: () => { readonly journal: Journal; readonly past: readonly JournalEntry[] };
	readonly isNew: boolean;
}

/**
 * Carries a live run out into its folder. Whatever ends it, no server of it is left.
 * @param onBegin called when nothing is wrong with what was asked for, before anything starts
 */
export async function executeLive(
	job: LiveJob,
	args: Arguments,
	io: Io,
	onBegin: () => void,
): Promise<Summary> {
	const { folder, loaded, runId, isNew } = job;
	let unregister = (): void => undefined;
	let begun = !isNew;
	try {
		return await keepRun({
			folder,
			setup: loaded.setup,
			world: 'live',
			now: io.now,
			stderr: io.stderr,
			execute: (onRecord) => {
				unregister = registerRun(runId, folder.path, io.env);
				return carryOut(job, args, io, onRecord, () => {
					begun = true;
					onBegin();
				});
			},
			isDiscardable: () => !begun,
		});
	} finally {
		unregister();
	}
}

async function carryOut(
	{ loaded: asked, folder, runId, backend: backendName, speed, openJournal }: LiveJob,
	args: Arguments,
	io: Io,
	keepRecord: (record: RunRecord) => void,
	onBegin: () => void,
): Promise<ExecutedRun> {
	const logFolder = path.join(folder.path, 'logs');
	mkdirSync(logFolder, { recursive: true });
	const backend = createBackend(backendName, asked.setup, { environment: io.env, speed, logFolder });
	const loaded = { ...asked, setup: withoutSleep(asked.setup, backend) };
	const { setup } = loaded;
	await backend.check();
	const { journal, past } = openJournal();
	onBegin();

	const forecaster = planningForecaster(setup, loaded.gate, io.signal);
	const content = createContent(setup, backend);
	const watch = new LiveWatch({ setup, forecaster, speed, args, io });
	const answers = setup.questions === null ? null : folder.openLines('answers.jsonl');
	const records: RunRecord[] = [];
	let lastFinished: CallFinished | null = null;
	const run = new LiveRun({
		...loaded,
		scheduler: timed(loaded.scheduler, io.clockSeconds, io.signal).scheduler,
		judge: createLiveJudge(setup, content, backend),
		forecaster,
		content,
		backend: backendName,
		version: programVersion(),
		journal,
		past,
		self: thisController(),
		startClock: (startUs) => startClock(speed, startUs),
		createHands: (hands) =>
			new LiveExecutor({
				...hands,
				// What is said to token ids means nothing, and there is much of it.
				happened: (happening) =>
					hands.happened(setup.questions === null ? withoutWords(happening) : happening),
				backend,
				content,
				settings: setup.live,
				runId,
				logFolder,
				sampleUs: Math.max(1, usFromSeconds(setup.sampleSeconds)),
				environment: io.env,
			}),
		onRecord(record) {
			records.push(record);
			keepRecord(record);
			watch.record(record);
			if (record.type === 'call-finished') lastFinished = record;
		},
		onHappening(happening, isPast) {
			if (happening.reply !== undefined && lastFinished !== null)
				answers?.write(answerLine(lastFinished, happening.reply));
			if (!isPast) watch.happening(happening);
		},
		onProcess: (record) => watch.process(record),
		bound: setup.questions === null ? boundOnTruth(loaded) : boundOnObserved(loaded),
		signal: io.signal,
	});
	watch.start(() => run.progress());
	try {
		const { plan, measuredSolveSeconds } = await run.run();
		answers?.close();
		return { records, summary: summarize(records), plan, measuredSolveSeconds };
	} catch (error) {
		answers?.abandon();
		throw error;
	} finally {
		watch.stop();
		journal.close();
	}
}

function withoutWords(happening: Happening): Happening {
	const { reply } = happening;
	return reply === undefined ? happening : { ...happening, reply: { ...reply, text: '', reasoningText: '' } };
}
