import type { Options } from 'yargs';
import type { Arguments } from './arguments.ts';
import type { ExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { lazy } from './lazy.ts';

export type RunCommand = (args: Arguments, io: Io) => Promise<ExitCode>;

/** The face of one command. What it does is loaded when it is called. */
export interface Command {
	/** As yargs reads it: words, then `<positional>` or `<several..>`. */
	readonly usage: string;
	readonly summary: string;
	readonly positional?: { readonly name: string; readonly summary: string };
	readonly options: Readonly<Record<string, Options>>;
	load(): Promise<RunCommand>;
}

/** `engine replay <file..>`: engine, replay. */
export const commandWords = (command: Command): string[] =>
	command.usage.split(' ').filter((word) => !word.startsWith('<'));

const value = (description: string): Options => ({ type: 'string', requiresArg: true, description });
const flag = (description: string): Options => ({ type: 'boolean', description });

const experiment = { name: 'experiment', summary: 'a YAML file, or the name of a bundled one (mosaic list)' };

export const globalOptions: Readonly<Record<string, Options>> = {
	seed: value('seed of every random stream; the first of several'),
	out: value('folder to write into, instead of one under runs/'),
	json: flag('one JSON document on stdout and nothing else'),
	quiet: flag('no progress and no remarks on stderr'),
	set: value('path=value: override a field of the experiment (repeatable)'),
};

export const commands: readonly Command[] = [
	{
		usage: 'simulate <experiment>',
		summary: 'simulate one run and write its folder',
		positional: experiment,
		options: {
			scheduler: value('who decides which model runs where (mosaic list)'),
			gate: value('when answers agree enough to skip the aggregator (mosaic list)'),
		},
		load: async () =>
			(await lazy(() => import('./commands/simulate.ts'), 'commands/simulate.ts')).simulateCommand,
	},
	{
		usage: 'compare <target..>',
		summary: 'schedulers on one experiment over several seeds, or finished runs side by side',
		positional: { name: 'target', summary: 'one experiment, or two or more run folders' },
		options: {
			schedulers: value('names separated by commas'),
			gates: value('names separated by commas'),
			seeds: value('how many seeds, paired across schedulers'),
			baseline: value('SCHEDULER or SCHEDULER/GATE that the others are measured against'),
		},
		load: async () =>
			(await lazy(() => import('./commands/compare.ts'), 'commands/compare.ts')).compareCommand,
	},
	{
		usage: 'plan <experiment>',
		summary: 'the plan of one scheduler, without running it',
		positional: experiment,
		options: { scheduler: value('who plans (mosaic list)') },
		load: async () => (await lazy(() => import('./commands/plan.ts'), 'commands/plan.ts')).planCommand,
	},
	{
		usage: 'report <run..>',
		summary: 'charts and HTML again, from the run logs alone',
		positional: { name: 'run', summary: 'run folders' },
		options: {},
		load: async () => (await lazy(() => import('./commands/report.ts'), 'commands/report.ts')).reportCommand,
	},
	{
		usage: 'reproduce',
		summary: 'published numbers against simulated ones, row by row',
		options: {
			seeds: value('how many seeds'),
			workloads: value('names separated by commas'),
			fit: flag('work out the fitted parameters anew, on the rows that may be fitted, and print them'),
			quick: flag('leave out the ranges over what the paper leaves open (a third of the runs)'),
			write: value('Markdown file to write the table into'),
		},
		load: async () =>
			(await lazy(() => import('./commands/reproduce.ts'), 'commands/reproduce.ts')).reproduceCommand,
	},
	{
		usage: 'list',
		summary: 'what is bundled: experiments, schedulers, gates, models, engine profiles',
		options: {},
		load: async () => (await lazy(() => import('./commands/list.ts'), 'commands/list.ts')).listCommand,
	},
	{
		usage: 'schema',
		summary: 'JSON Schema of the experiment file, for editors',
		options: {},
		load: async () => (await lazy(() => import('./commands/schema.ts'), 'commands/schema.ts')).schemaCommand,
	},
	{
		usage: 'calibrate <file..>',
		summary: 'measured runs against the engine model, fitted on the runs named grid: error per metric',
		positional: {
			name: 'file',
			summary: 'recordings of a real server (JSON Lines, plain or .gz), or a CSV table of steady serving',
		},
		options: {},
		load: async () =>
			(await lazy(() => import('./commands/calibrate.ts'), 'commands/calibrate.ts')).calibrateCommand,
	},
	{
		usage: 'engine replay <file..>',
		summary: 'recorded scheduler traces through the engine model; counts mismatches',
		positional: { name: 'file', summary: 'JSON Lines, plain or .gz, one trace a line' },
		options: { mode: value('execution of the engine model: stepwise or leaping') },
		load: async () =>
			(await lazy(() => import('./commands/engine-replay.ts'), 'commands/engine-replay.ts'))
				.engineReplayCommand,
	},
	{
		usage: 'notebook run <file>',
		summary: 'execute a notebook and keep its outputs in it',
		positional: { name: 'file', summary: 'an .ipynb file' },
		options: { check: flag('leave the file as it is; exit 3 when its outputs differ') },
		load: async () =>
			(await lazy(() => import('./commands/notebook-run.ts'), 'commands/notebook-run.ts')).notebookRunCommand,
	},
];
