/**
 * Real vLLM on this machine's cores, without a GPU, against the simulator: `npm run test:vllm`. Installs vLLM where it is not there, profiles two tiny
 * models, runs one batch live and simulated under three schedulers, and compares. MOSAIC_VLLM_KEEP=1 keeps what it wrote.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { calibrate, outcomes } from './batch-runs.ts';
import { installVllm, makeModel, Unavailable } from './installation.ts';
import { loadEmulator } from './load-generator.ts';
import { GPU_TYPE, MODELS, PROFILED, serverSettings } from './moa-experiment.ts';
import { endAll, mosaic, run } from './program.ts';
import { say, sayStep } from './say.ts';
import { compare } from './verdict.ts';

async function main(): Promise<number> {
	const python = await installVllm((line) => sayStep(line));
	const cores = os.availableParallelism();
	if (cores < 2) throw new Unavailable(`two cores are needed, this machine has ${cores}`);
	const folder = mkdtempSync(path.join(os.tmpdir(), 'mosaic-vllm-'));
	process.once('SIGINT', () => endAll());
	try {
		for (const { id, size } of MODELS) await makeModel(python, path.join(folder, 'models', id), size);
		await warmUp(python, folder);
		const loadRangeSeconds = await profiles(python, folder);
		const code = compare(await outcomes(python, folder), loadRangeSeconds);
		await calibrate(folder);
		// Nothing is timed any more.
		await Promise.all([contract(python), generator(python, folder)]);
		sayStep(`${code === 0 ? 'passed' : 'FAILED'}`);
		return code;
	} finally {
		if (process.env.MOSAIC_VLLM_KEEP === undefined) rmSync(folder, { recursive: true, force: true });
		else say(`kept: ${folder}`);
	}
}

/** The first import after an installation compiles modules and reads gigabytes; servers of a machine in use do neither. */
async function warmUp(python: string, folder: string): Promise<void> {
	sayStep('importing vLLM for the first time');
	const words = ['-c', 'import vllm.entrypoints.openai.api_server, vllm.v1.worker.cpu_worker'];
	await run(python, words, folder, { VLLM_TARGET_DEVICE: 'cpu', HF_HUB_OFFLINE: '1' });
}

async function contract(python: string): Promise<void> {
	sayStep("the executor's contract suite on real vLLM");
	const root = path.resolve(__dirname, '../..');
	const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
	const words = [vitest, 'run', 'test/contracts/executor/vllm.test.ts'];
	const { stdout } = await run(process.execPath, words, root, { MOSAIC_VLLM_PYTHON: python });
	say(`  ${/Tests.*?(\d+ passed)/.exec(stripVTControlCharacters(stdout))?.[1] ?? 'passed'}`);
}

async function generator(python: string, folder: string): Promise<void> {
	sayStep("vLLM's load generator against the emulator");
	const tokenizer = path.join(folder, 'models', 'sketcher');
	const { completed, outputTokens, medianTpotMs } = await loadEmulator(python, tokenizer, folder);
	say(`  ${completed} requests, ${outputTokens} tokens, median ${medianTpotMs.toFixed(2)} ms a token`);
}

/** Both at the same time, each on its core, as they will run. @returns how far the slowest start of a model was from its quickest, seconds */
async function profiles(python: string, folder: string): Promise<number> {
	const ids = [...new Set(Object.values(PROFILED))];
	sayStep(`profiling ${ids.join(' and ')}`);
	const texts = await Promise.all(
		ids.map((id, core) =>
			mosaic(
				[
					...['profile', '--model', path.join(folder, 'models', id), '--device', 'cpu', '--python', python],
					...['--gpu-type', GPU_TYPE, '--gpu', String(core), '--starts', '3', '--quiet'],
					...['--out', path.join(folder, `profile-${id}`)],
					...serverSettings.flatMap((setting) => ['--set', setting]),
				],
				folder,
			),
		),
	);
	for (const { stdout } of texts) say(stdout.replace(/^(?=.)/gm, '  ').trimEnd());
	let loadRangeSeconds = 0;
	for (const { id } of MODELS) {
		const measured = PROFILED[id] ?? id;
		const text = readFileSync(path.join(folder, `profile-${measured}`, 'profile.json'), 'utf8');
		const profile = JSON.parse(text) as {
			model: Record<string, unknown>;
			readonly times: { readonly load: { readonly lowSeconds: number; readonly highSeconds: number } };
		};
		const { lowSeconds, highSeconds } = profile.times.load;
		loadRangeSeconds = Math.max(loadRangeSeconds, highSeconds - lowSeconds);
		profile.model = { ...profile.model, id, checkpoint: path.join(folder, 'models', id) };
		writeFileSync(path.join(folder, `${id}.json`), JSON.stringify(profile));
	}
	return loadRangeSeconds;
}

main().then(
	(code) => process.exit(code),
	(error: unknown) => {
		endAll();
		if (!(error instanceof Unavailable)) {
			console.error(error);
			process.exit(1);
		}
		// Where it is part of the checks of every change, it has to run.
		say(`test:vllm skipped: ${error.message}`);
		process.exit(process.env.CI === 'true' ? 1 : 0);
	},
);
