/** Summaries of single runs, kept so that a study of thousands can stop and go on, and be made in parts. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { writeFileAtomically } from '../../sim/cli/atomic-file.ts';
import type { Summary } from '../../sim/report/summary.ts';
import { cellName } from '../../sim/study/compare.ts';

export interface Cell {
	readonly workload: string;
	/** Key of a policy. */
	readonly policy: string;
	readonly gate: string;
}

export interface RunStore {
	/** Null when there is no such run, or one that other sources made. */
	get(cell: Cell, seed: number): Summary | null;
	put(cell: Cell, seed: number, summary: Summary): void;
	/** Whether `get` has given out a run that other sources made. */
	readonly hasOld: boolean;
}

/**
 * @param sources digest of what made the runs
 * @param takesOld whether runs of other sources count
 */
export function openRunStore(folder: string, sources: string, takesOld: boolean): RunStore {
	const fileOf = ({ workload, policy, gate }: Cell, seed: number): string =>
		path.join(folder, workload, cellName(policy, gate), `seed${seed}.json`);
	let hasOld = false;
	return {
		get(cell, seed) {
			const file = fileOf(cell, seed);
			if (!existsSync(file)) return null;
			const stored = JSON.parse(readFileSync(file, 'utf8')) as { sources: string; summary: Summary };
			const isOld = stored.sources !== sources;
			if (isOld && !takesOld) return null;
			hasOld ||= isOld;
			return stored.summary;
		},
		put(cell, seed, summary) {
			const file = fileOf(cell, seed);
			mkdirSync(path.dirname(file), { recursive: true });
			writeFileAtomically(file, `${JSON.stringify({ sources, summary }, null, '\t')}\n`);
		},
		get hasOld() {
			return hasOld;
		},
	};
}

/** What a simulated run follows from, beside experiment, seed and names. */
const SOURCES: readonly string[] = [
	...['sim/domain', 'sim/core', 'sim/engine', 'sim/aggregate', 'sim/run', 'solver', 'traces'],
	...['sim/report/summary.ts', 'sim/report/gpu-time.ts', 'sim/report/run-state.ts'],
	...['sim/cli/execute-run.ts', 'sim/cli/run-bound.ts', 'sim/cli/load-setup.ts'],
];

/** Twelve hex digits that change when anything changes that a run follows from. */
export function sourcesDigest(root: string): string {
	const hash = createHash('sha256');
	const add = (relative: string): void => {
		const full = path.join(root, relative);
		if (path.extname(relative) === '')
			for (const name of readdirSync(full).sort()) add(path.posix.join(relative, name));
		else if (!relative.endsWith('.md')) hash.update(`${relative}\0`).update(readFileSync(full)).update('\0');
	};
	for (const source of SOURCES) add(source);
	return hash.digest('hex').slice(0, 12);
}
