import type { RunJob } from '../study/jobs.ts';

/** The command that makes the run of a job, after `mosaic`. */
export const simulateWords = ({ experiment, sets, seed, scheduler, gate }: RunJob): string[] => [
	'simulate',
	experiment,
	...['--scheduler', scheduler, '--gate', gate, '--seed', String(seed)],
	...sets.flatMap((set) => ['--set', set]),
];

/** Words as a shell takes them. */
export const shellLine = (words: readonly string[]): string =>
	words
		.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
		.join(' ');
