/**
 * Real vLLM on this machine's cores, without a GPU, against the simulator: `npm run test:vllm`. Installs vLLM where it is not there, profiles two tiny
 * models, runs one batch live and simulated under three schedulers, and compares. MOSAIC_VLLM_KEEP=1 keeps what it wrote.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { installVllm, makeModel, Unavailable } from './installation.ts';
import { loadEmulator } from './load-generator.ts';
import { GPU_TYPE, MODELS, moaExperiment, PROFILED, QUERIES, serverSettings } from './moa-experiment.ts';
import { checkOrder, errorPercent, noiseShare, type Outcome } from './order.ts';
import { endAll, mosaic, run } from './program.ts';

/** The first is run once more at the end, for the noise. */
const SCHEDULERS = ['round-robin', 'greedy', 'ilp'];
/** Goal for the makespan of a quiet machine; a busy one is told, not failed. */
const GOAL_PERCENT = 5;
/** Beyond it, and the noise seen, something is wrong that is not noise: other work on two cores doubles times easily. */
const LIMIT_PERCENT = 50;

const say = (line: string): void => console.log(line);
const startedMs = performance.now();
const elapsed = (): string => `${((performance.now() - startedMs) / 60_000).toFixed(1)} min`;

async function main(): Promise<number> {
	const python = await installVllm((line) => say(`[${elapsed()}] ${line}`));
	const cores = os.availableParallelism();
	if (cores < 2) throw new Unavailable(`two cores are needed, this machine has ${cores}`);
	const folder = mkdtempSync(path.join(os.tmpdir(), 'mosaic-vllm-'));
	process.once('SIGINT', () => endAll());
	try {
		for (const { id, size } of MODELS) await makeModel(python, path.join(folder, 'models', id), size);
		await profiles(python, folder);
		const code = compare(await outcomes(python, folder));
		await calibrate(folder);
		// Nothing is timed any more.
		await Promise.all([contract(python), generator(python, folder)]);
		say(`[${elapsed()}] ${code === 0 ? 'passed' : 'FAILED'}`);
		return code;
	} finally {
		if (process.env.MOSAIC_VLLM_KEEP === undefined) rmSync(folder, { recursive: true, force: true });
		else say(`kept: ${folder}`);
	}
}

async function contract(python: string): Promise<void> {
	say(`[${elapsed()}] the executor's contract suite on real vLLM`);
	const root = path.resolve(__dirname, '../..');
	const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
	const words = [vitest, 'run', 'test/contracts/executor/vllm.test.ts'];
	const { stdout } = await run(process.execPath, words, root, { MOSAIC_VLLM_PYTHON: python });
	say(`  ${/Tests.*?(\d+ passed)/.exec(stripVTControlCharacters(stdout))?.[1] ?? 'passed'}`);
}

async function generator(python: string, folder: string): Promise<void> {
	say(`[${elapsed()}] vLLM's load generator against the emulator`);
	const tokenizer = path.join(folder, 'models', 'sketcher');
	const { completed, outputTokens, medianTpotMs } = await loadEmulator(python, tokenizer, folder);
	say(`  ${completed} requests, ${outputTokens} tokens, median ${medianTpotMs.toFixed(2)} ms a token`);
}

/** Both at the same time, each on its core, as they will run. */
async function profiles(python: string, folder: string): Promise<void> {
	const ids = [...new Set(Object.values(PROFILED))];
	say(`[${elapsed()}] profiling ${ids.join(' and ')}`);
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
	for (const { id } of MODELS) {
		const measured = PROFILED[id] ?? id;
		const text = readFileSync(path.join(folder, `profile-${measured}`, 'profile.json'), 'utf8');
		const profile = JSON.parse(text) as { model: Record<string, unknown> };
		profile.model = { ...profile.model, id, checkpoint: path.join(folder, 'models', id) };
		writeFileSync(path.join(folder, `${id}.json`), JSON.stringify(profile));
	}
}

async function outcomes(python: string, folder: string): Promise<readonly Outcome[]> {
	const experiment = path.join(folder, 'moa.yaml');
	writeFileSync(experiment, moaExperiment(folder, python));
	mkdirSync(path.join(folder, 'runs'));
	const makespan = async (command: string, scheduler: string, name: string): Promise<number> => {
		const out = path.join(folder, 'runs', `${command}-${name}`);
		const live = command === 'live' ? ['--backend', 'vllm'] : [];
		const words = [command, experiment, '--scheduler', scheduler, ...live, '--out', out, '--json', '--quiet'];
		const { stdout } = await mosaic(words, folder);
		const summary = JSON.parse(stdout) as {
			readonly makespanSeconds: number;
			readonly calls: { readonly failed: number };
		};
		if (summary.calls.failed > 0) throw new Error(`${summary.calls.failed} calls failed under ${scheduler}`);
		return summary.makespanSeconds;
	};
	const measured = new Map<string, number[]>();
	for (const scheduler of [...SCHEDULERS, ...SCHEDULERS.slice(0, 1)]) {
		const times = measured.get(scheduler) ?? [];
		measured.set(scheduler, times);
		say(
			`[${elapsed()}] ${QUERIES} queries live under ${scheduler}${times.length === 0 ? '' : ', once more'}`,
		);
		times.push(await makespan('live', scheduler, `${scheduler}-${times.length + 1}`));
	}
	const found: Outcome[] = [];
	for (const [scheduler, measuredSeconds] of measured)
		found.push({
			scheduler,
			predictedSeconds: await makespan('simulate', scheduler, scheduler),
			measuredSeconds,
		});
	return found;
}

/** The same runs replayed with what happened in them: where an error comes from. */
async function calibrate(folder: string): Promise<void> {
	const names = readdirSync(path.join(folder, 'runs')).filter((name) => name.startsWith('live-'));
	say(loadTimes(names.map((name) => path.join(folder, 'runs', name))));
	const { stdout } = await mosaic(['calibrate', ...names.map((name) => `runs/${name}`)], folder);
	say(stdout.trimEnd());
}

/** Loads of all runs, which are the most of a makespan here. */
function loadTimes(runs: readonly string[]): string {
	const seconds = runs.flatMap((folder) => {
		const loadingUs = new Map<string, number>();
		const lines = readFileSync(path.join(folder, 'events.jsonl'), 'utf8').trimEnd().split('\n');
		return lines.flatMap((line): number[] => {
			const record = JSON.parse(line) as {
				readonly timeUs: number;
				readonly replica?: string;
				readonly state?: string;
			};
			const { replica = '', state, timeUs } = record;
			if (state === 'loading') loadingUs.set(replica, timeUs);
			const sinceUs = loadingUs.get(replica);
			if (state !== 'awake' || sinceUs === undefined) return [];
			loadingUs.delete(replica);
			return [(timeUs - sinceUs) / 1e6];
		});
	});
	const sorted = seconds.sort((a, b) => a - b);
	const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
	return `loads of these runs: ${at(0)} to ${at(1)} s, median ${at(0.5)} s (${sorted.length})`;
}

/** @returns exit code */
function compare(found: readonly Outcome[]): number {
	const noise = noiseShare(found) ?? 0;
	say(`\nscheduler     predicted   measured     error`);
	for (const outcome of found) {
		const { scheduler, predictedSeconds, measuredSeconds } = outcome;
		const measured = measuredSeconds.map((seconds) => `${seconds.toFixed(1)} s`).join(' and ');
		const error = errorPercent(outcome);
		say(
			`${scheduler.padEnd(12)}  ${`${predictedSeconds.toFixed(1)} s`.padStart(9)}  ${measured.padStart(9)}  ${error >= 0 ? '+' : ''}${error.toFixed(1)} %`,
		);
	}
	say(`noise between two equal runs: ${(100 * noise).toFixed(1)} %`);
	// Two runs that happen to take equally long do not mean that there is no noise.
	const checks = checkOrder(found, Math.max(noise, GOAL_PERCENT / 100));
	for (const { pair, predictedGapSeconds, measuredGapSeconds, agrees } of checks) {
		const verdict = agrees === null ? 'within the noise' : agrees ? 'same order' : 'OTHER ORDER';
		say(
			`${pair}: ${predictedGapSeconds.toFixed(1)} s predicted, ${measuredGapSeconds.toFixed(1)} s measured: ${verdict}`,
		);
	}
	const worst = Math.max(...found.map((outcome) => Math.abs(errorPercent(outcome))));
	const isGood = worst <= GOAL_PERCENT;
	say(`worst error ${worst.toFixed(1)} %: ${isGood ? 'within' : 'beyond'} the goal of ${GOAL_PERCENT} %`);
	const failed = checks.some(({ agrees }) => agrees === false) || worst > LIMIT_PERCENT + 100 * noise;
	return failed ? 1 : 0;
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
