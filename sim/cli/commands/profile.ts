import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Backend } from '../../../live/backend.ts';
import { createBackend } from '../../../live/backends/index.ts';
import { startClock } from '../../../live/clock.ts';
import { ServerFailure } from '../../../live/http/failure.ts';
import { measureEngine } from '../../../live/measure/measure-engine.ts';
import { registerRun, sweepDeadRuns } from '../../../live/process/registry.ts';
import { measuredProfileText } from '../../../traces/index.ts';
import { type ReadQuestion, readQuestions } from '../../../traces/questions/read-questions.ts';
import type { ReplicaStart } from '../../core/executor.ts';
import { present, UsageError } from '../../domain/errors.ts';
import type { BackendName } from '../../domain/live.ts';
import type { Setup } from '../../domain/setup.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode, Interrupted } from '../exit.ts';
import type { Io } from '../io.ts';
import { measuredRunsText } from '../measured-runs-file.ts';
import { checkName } from '../names.ts';
import { outFolder } from '../out-folder.ts';
import { profileDocument } from '../profile-document.ts';
import { fitProfile } from '../profile-fit.ts';
import { profileSetup, profileStart, withStepLog } from '../profile-setup.ts';
import { profileText } from '../profile-text.ts';
import { remark } from '../progress.ts';
import { createRunFolder, type RunFolder, shownPath } from '../run-folder.ts';
import { programVersion } from '../version.ts';

const PROFILE_FILE = 'profile.json';
const LOG_FOLDER = 'logs';

/** Measures one engine into a profile that experiments take as it is. */
export async function profileCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const folder = createRunFolder({
		out: outFolder(args, io.cwd),
		runsFolder: path.join(io.cwd, 'runs'),
		defaultName: `profile-${path.basename(args.text('model') ?? args.text('experiment') ?? 'model')}`,
		kind: 'profile',
		command: args.words,
		version: programVersion(),
		startedAt: io.now(),
	});
	let isBegun = false;
	try {
		const job = await prepare(folder, args, io);
		isBegun = true;
		await measure(job, folder, args, io);
		folder.end('complete', io.now());
		return EXIT.done;
	} catch (error) {
		// A mistake before anything was started leaves nothing behind.
		if (!isBegun) folder.discard();
		else folder.end(io.signal.aborted ? 'interrupted' : 'failed', io.now());
		if (io.signal.aborted) throw new Interrupted('interrupted; everything is stopped, nothing was measured');
		if (!(error instanceof ServerFailure)) throw error;
		const logs = shownPath(path.join(folder.path, LOG_FOLDER), io.cwd);
		throw new UsageError(
			'E_SERVER_FAILED',
			`expected a server that answers while it is measured, got: ${error.message} (its log is in ${logs})`,
		);
	}
}

/** All that can be said wrong on the command line has been looked at. */
interface ProfileJob {
	readonly backend: Backend;
	readonly setup: Setup;
	readonly start: ReplicaStart;
	readonly asked: readonly ReadQuestion[];
}

async function prepare(folder: RunFolder, args: Arguments, io: Io): Promise<ProfileJob> {
	const name = checkName('backend', args.text('backend') ?? 'vllm', ['vllm', 'emulator']) as BackendName;
	const file = args.text('questions');
	const asked = file === undefined ? [] : readQuestions(readText(path.resolve(io.cwd, file), file), file);
	const plain = await profileSetup(name, folder, args, io);
	const start = profileStart(plain, args);
	const setup = withStepLog(plain, start.profile);
	const logFolder = path.join(folder.path, LOG_FOLDER);
	mkdirSync(logFolder, { recursive: true });
	const backend = createBackend(name, setup, { environment: io.env, speed: 1, logFolder });
	await backend.check();
	return { backend, setup, start, asked };
}

async function measure(job: ProfileJob, folder: RunFolder, args: Arguments, io: Io): Promise<void> {
	const { backend, setup, start, asked } = job;
	await sweepDeadRuns(io.env);
	const runId = randomUUID();
	const unregister = registerRun(runId, folder.path, io.env);
	const shown = shownPath(folder.path, io.cwd);
	remark(
		`measuring ${start.model} on ${start.gpus.join(', ')}, backend ${backend.name}, into ${shown}`,
		args,
		io,
	);
	const model = setup.models.find(({ id }) => id === start.model);
	const measurement = await measureEngine({
		backend,
		start,
		settings: setup.live,
		clock: startClock(1),
		runId,
		logFolder: path.join(folder.path, LOG_FOLDER),
		environment: io.env,
		signal: io.signal,
		starts: args.whole('starts', 1) ?? 3,
		sleeps: 3,
		questions: asked.map(({ question }) => question),
		outputLimitTokens: present(model, `model ${start.model}`).outputLimitTokens,
		progress: (text) => {
			if (io.terminal !== null) remark(text, args, io);
		},
	}).finally(unregister);
	folder.write('measured-runs.jsonl', measuredRunsText(measurement, start.model));
	const profile = profileDocument({
		setup,
		replica: start.profile,
		measurement,
		fitted: fitProfile(measurement),
		tasks: [...new Set(asked.map(({ task }) => task ?? setup.queries[0]?.task ?? ''))],
		backend: backend.name,
		command: args.words,
		version: programVersion(),
		now: io.now(),
	});
	const text = measuredProfileText(profile);
	folder.write(PROFILE_FILE, text);
	if (args.flag('json')) io.stdout.write(text);
	else
		io.stdout.write(
			`${profileText(profile, backend.sleepRefusal)}\nprofile: ${path.join(shown, PROFILE_FILE)}\n`,
		);
}

function readText(file: string, typed: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch (error) {
		const reason = (error as Error).message.replace(/,.*$/s, '');
		throw new UsageError('E_QUESTIONS', `${typed}: expected a question file, got ${reason}`);
	}
}
