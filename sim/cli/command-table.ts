import type { Options } from 'yargs';
import type { Arguments } from './arguments.ts';
import type { ExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { lazy } from './lazy.ts';

export type RunCommand = (args: Arguments, io: Io) => Promise<ExitCode>;

/** The face of one command. What it does is loaded when it is called. */
export interface Command {
	/** As yargs reads it: words, then `<positional>`, `[optional]` or `<several..>`. */
	readonly usage: string;
	readonly summary: string;
	readonly positional?: { readonly name: string; readonly summary: string };
	readonly options: Readonly<Record<string, Options>>;
	load(): Promise<RunCommand>;
}

/** `engine replay <file..>`: engine, replay. */
export const commandWords = (command: Command): string[] =>
	command.usage.split(' ').filter((word) => !/^[<[]/.test(word));

const value = (description: string): Options => ({ type: 'string', requiresArg: true, description });
const flag = (description: string): Options => ({ type: 'boolean', description });

const audit = value('share of skipped queries that go to the aggregator all the same, to watch for drift');

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
			audit,
		},
		load: async () =>
			(await lazy(() => import('./commands/simulate.ts'), 'commands/simulate.ts')).simulateCommand,
	},
	{
		usage: 'compare <target..>',
		summary: 'schedulers on one experiment over several seeds, or finished runs side by side',
		positional: { name: 'target', summary: 'one experiment, or two or more run folders' },
		options: {
			schedulers: value(
				'names separated by commas; left out: all but the controls worst and oracle and the slow lookahead',
			),
			gates: value('names separated by commas'),
			audit,
			ablation: flag(
				'adaptive with all its ideas, without each, with each alone and without any; 10 seeds and gate majority, unless said otherwise',
			),
			seeds: value('how many seeds, paired across schedulers'),
			baseline: value('SCHEDULER or SCHEDULER/GATE that the others are measured against'),
		},
		load: async () =>
			(await lazy(() => import('./commands/compare.ts'), 'commands/compare.ts')).compareCommand,
	},
	{
		usage: 'live [experiment]',
		summary: 'the same run on real processes: emulators, vLLM servers, or endpoints that run already',
		positional: experiment,
		options: {
			scheduler: value('who decides which model runs where (mosaic list)'),
			gate: value('when answers agree enough to skip the aggregator (mosaic list)'),
			audit,
			backend: value('emulator (default), vllm or endpoint'),
			speed: value('emulator only: so many times faster than real time'),
			resume: value('folder of a live run that was interrupted or killed: go on with it'),
			'dry-run': flag('print the plan and the exact server commands; start nothing'),
		},
		load: async () => (await lazy(() => import('./commands/live.ts'), 'commands/live.ts')).liveCommand,
	},
	{
		usage: 'emulator [experiment]',
		summary: "vLLM's HTTP face on the engine model: a server that needs no GPU",
		positional: experiment,
		options: {
			config: value(
				'file that says everything, in place of an experiment: how mosaic live starts its emulators',
			),
			model: value('model of the experiment to serve'),
			'tensor-parallel': value('GPUs that share it'),
			host: value('address to listen on, 127.0.0.1 if left out'),
			port: value('port to listen on, 8000 if left out; 0: any'),
			speed: value('so many times faster than real time'),
			'api-key-variable': value('environment variable with the key to ask for'),
		},
		load: async () =>
			(await lazy(() => import('./commands/emulator.ts'), 'commands/emulator.ts')).emulatorCommand,
	},
	{
		usage: 'profile [experiment]',
		summary: 'measure an engine into a profile that experiments take as it is',
		positional: experiment,
		options: {
			backend: value('vllm (default) or emulator'),
			model: value('model folder (vllm), or a model of the experiment'),
			'gpu-type': value(
				"name of the GPU type in the profile; the driver's if left out, cpu-core without GPUs",
			),
			'tensor-parallel': value('GPUs that share it, 1 if left out'),
			gpu: value('position of the first GPU to use; of the core on a machine without GPUs'),
			device: value('gpu or cpu; left out: gpu where there are GPUs'),
			python: value('Python of the installation that holds vLLM'),
			starts: value('how often it is started and stopped, 3 if left out'),
			questions: value('question file to ask it, for the lengths of its answers'),
		},
		load: async () =>
			(await lazy(() => import('./commands/profile.ts'), 'commands/profile.ts')).profileCommand,
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
		options: { of: value('experiment (the default), profile, question, or calibration: which kind of file') },
		load: async () => (await lazy(() => import('./commands/schema.ts'), 'commands/schema.ts')).schemaCommand,
	},
	{
		usage: 'calibrate <file..>',
		summary: 'measured runs, live ones too, against the simulator: error per metric',
		positional: {
			name: 'file',
			summary:
				'run folders, recordings of a real server (JSON Lines, plain or .gz), or a CSV table of steady serving',
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
