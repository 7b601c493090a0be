/**
 * Makes the tables of results: runs what is missing of them, keeps every run under runs/results, and writes docs/results.md, the short table of
 * README.md, and the tables of docs/policies.md. `npm run results` does all but the ablation; it may be stopped and goes on where it was.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EXIT, Interrupted } from '../sim/cli/exit.ts';
import { checkName } from '../sim/cli/names.ts';
import { studyPool } from '../sim/cli/study-pool.ts';
import { programVersion } from '../sim/cli/version.ts';
import { UsageError } from '../sim/domain/errors.ts';
import type { RunJob } from '../sim/study/jobs.ts';
import {
	ablationSection,
	between,
	gatesSection,
	type Made,
	readmeSection,
	resultsDocument,
} from './results/documents.ts';
import { ABLATION_POLICIES, GATES, LEFT_OUT, POLICIES, type Policy, WORKLOADS } from './results/grid.ts';
import { openRunStore, type RunStore, sourcesDigest } from './results/run-store.ts';

const USAGE = `npm run results -- [--seeds N] [--workloads a,b] [--schedulers a,b] [--gates a,b] [--ablation] [--no-runs] [--keep] [--print] [--store DIR]
  --ablation   run the variants of adaptive in place of the policies; on the published workloads under gate majority, unless said otherwise
  --no-runs    only write the documents, from the runs that there are
  --keep       take runs of earlier sources for what they are (the documents say so)
  --print      print the documents and leave the files alone`;

const root = path.join(__dirname, '..');

async function main(words: readonly string[]): Promise<number> {
	const options = readOptions(words);
	const sources = sourcesDigest(root);
	const store = openRunStore(options.folder, sources, options.keeps);
	const failures = options.runs ? await runMissing(options, store) : [];
	const made: Made = {
		date: new Date().toISOString().slice(0, 10),
		version: programVersion(),
		sources,
		seeds: options.seeds,
		store,
	};
	if (options.prints) process.stdout.write(`${allDocuments(made).join('\n\n')}\n`);
	else writeDocuments(made);
	for (const failure of failures) process.stderr.write(`not run: ${failure}\n`);
	return failures.length > 0 ? EXIT.beyondLimit : EXIT.done;
}

interface Options {
	readonly seeds: number;
	readonly workloads: readonly string[];
	readonly policies: readonly Policy[];
	readonly gates: readonly string[];
	readonly folder: string;
	readonly runs: boolean;
	readonly keeps: boolean;
	readonly prints: boolean;
}

function readOptions(words: readonly string[]): Options {
	const text = { type: 'string' } as const;
	const flag = { type: 'boolean' } as const;
	const { values } = parseArgs({
		args: [...words],
		options: {
			seeds: text,
			workloads: text,
			schedulers: text,
			gates: text,
			store: text,
			ablation: flag,
			'no-runs': flag,
			keep: flag,
			print: flag,
		},
	});
	const names = (option: 'workloads' | 'schedulers' | 'gates', what: string, known: readonly string[]) =>
		values[option]?.split(',').map((name) => checkName(what, name, known));
	const all = values.ablation ? ABLATION_POLICIES : POLICIES;
	const chosen = names(
		'schedulers',
		'policy',
		all.map(({ key }) => key),
	);
	const published = WORKLOADS.filter(({ slots }) => slots === 'published' || !values.ablation);
	const known = WORKLOADS.map(({ name }) => name);
	const seeds = Number(values.seeds ?? 10);
	if (!Number.isSafeInteger(seeds) || seeds < 1)
		throw new UsageError('E_OPTION_VALUE', `option --seeds: expected 1 or more, got '${values.seeds}'`);
	return {
		seeds,
		workloads: names('workloads', 'workload', known) ?? published.map(({ name }) => name),
		policies: chosen === undefined ? all : all.filter(({ key }) => chosen.includes(key)),
		gates: names('gates', 'gate', GATES) ?? (values.ablation ? ['majority'] : GATES),
		folder: path.resolve(values.store ?? path.join(root, 'runs/results')),
		runs: !values['no-runs'],
		keeps: values.keep ?? false,
		prints: values.print ?? false,
	};
}

/** @returns what could not be run, and why */
async function runMissing(options: Options, store: RunStore): Promise<readonly string[]> {
	const { workloads, policies, gates, seeds } = options;
	const stop = new AbortController();
	process.once('SIGINT', () => stop.abort());
	const runJobs = studyPool(stop.signal);
	for (const { key } of LEFT_OUT)
		process.stderr.write(`left out: ${key}, which this version does not have\n`);
	const failures: string[] = [];
	for (const workload of workloads) {
		for (const policy of policies) {
			const jobs = jobsOf(workload, policy, gates, seeds).filter(
				({ gate, seed }) => store.get({ workload, policy: policy.key, gate }, seed) === null,
			);
			if (jobs.length === 0) continue;
			const startedMs = Date.now();
			process.stderr.write(`${workload}, ${policy.key}: ${jobs.length} runs`);
			try {
				await runJobs(jobs, {
					onDone: ({ job: { gate, seed }, summary }) =>
						store.put({ workload, policy: policy.key, gate }, seed, summary),
				});
				process.stderr.write(`, ${((Date.now() - startedMs) / 1000).toFixed(0)} s\n`);
			} catch (error) {
				process.stderr.write('\n');
				if (error instanceof Interrupted) throw error;
				// One that cannot run here must not cost the others their place.
				failures.push(`${workload}, ${policy.key}: ${(error as Error).message.split('\n')[0]}`);
			}
		}
	}
	return failures;
}

const jobsOf = (experiment: string, policy: Policy, gates: readonly string[], seeds: number): RunJob[] =>
	gates.flatMap((gate) =>
		Array.from({ length: seeds }, (_, seed) => ({
			experiment,
			sets: policy.sets,
			seed,
			scheduler: policy.scheduler,
			gate,
			folder: null,
			detail: 'summary' as const,
		})),
	);

const allDocuments = (made: Made): readonly string[] => [
	resultsDocument(made),
	readmeSection(made),
	gatesSection(made),
	ablationSection(made),
];

function writeDocuments(made: Made): void {
	const file = (name: string): string => path.join(root, name);
	const rewrite = (name: string, sections: Readonly<Record<string, string>>): void => {
		let text = readFileSync(file(name), 'utf8');
		for (const [section, content] of Object.entries(sections)) text = between(text, section, content);
		writeFileSync(file(name), text);
	};
	writeFileSync(file('docs/results.md'), resultsDocument(made));
	rewrite('README.md', { results: readmeSection(made) });
	rewrite('docs/policies.md', { gates: gatesSection(made), ablation: ablationSection(made) });
}

main(process.argv.slice(2)).then(
	(code) => {
		process.exitCode = code;
	},
	(error: Error & { code?: string }) => {
		if (error instanceof Interrupted) {
			process.stderr.write('interrupted; the runs that had ended are kept, the same command goes on\n');
			process.exitCode = EXIT.interrupted;
		} else if (error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS')) {
			process.stderr.write(`${error.message}\n${USAGE}\n`);
			process.exitCode = EXIT.usage;
		} else throw error;
	},
);
