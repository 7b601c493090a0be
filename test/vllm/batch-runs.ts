import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { moaExperiment, QUERIES } from './moa-experiment.ts';
import type { Outcome } from './order.ts';
import { mosaic } from './program.ts';
import { say, sayStep } from './say.ts';

/** The first is run once more at the end, for the noise. */
const SCHEDULERS = ['round-robin', 'ilp', 'adaptive'];

/** The batch under each scheduler, live and in the simulator. Run folders are left in `runs`. */
export async function outcomes(python: string, folder: string): Promise<readonly Outcome[]> {
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
		sayStep(`${QUERIES} queries live under ${scheduler}${times.length === 0 ? '' : ', once more'}`);
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
export async function calibrate(folder: string): Promise<void> {
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
