import path from 'node:path';
import { stringify } from 'yaml';
import { defaultSchedulerNames } from '../../../solver/index.ts';
import { gateNames } from '../../aggregate/index.ts';
import { UsageError } from '../../domain/errors.ts';
import type { Setup } from '../../domain/setup.ts';
import { type Comparison, rowKey } from '../../report/comparison.ts';
import { comparisonTable } from '../../report/tables.ts';
import {
	type CompareOutcome,
	type CompareRequest,
	compareJobs,
	compareSchedulers,
} from '../../study/compare.ts';
import type { RunJob } from '../../study/jobs.ts';
import { ABLATION_VARIANTS, ablationOf, ablationText, checkAblation } from '../ablation.ts';
import type { Arguments } from '../arguments.ts';
import { comparisonReadme } from '../comparison-readme.ts';
import { EXIT, type ExitCode, Interrupted } from '../exit.ts';
import { setsWithAudit } from '../gate-options.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { type LoadedRun, loadRun } from '../load-run.ts';
import { checkPlannable, checkScheduler, experimentReference, loadSetup } from '../load-setup.ts';
import { checkName } from '../names.ts';
import { outFolder } from '../out-folder.ts';
import { plural } from '../plural.ts';
import { remark, startProgress } from '../progress.ts';
import { reportOn, writeReport } from '../report-files.ts';
import { createRunFolder, type RunFolder, shownPath } from '../run-folder.ts';
import { endStatus, readStatus } from '../run-status.ts';
import { studyPool } from '../study-pool.ts';
import { programVersion } from '../version.ts';

/** Paired A/B over seeds on worker threads, into a folder with a report. */
export async function compareExperiment(typed: string, args: Arguments, io: Io): Promise<ExitCode> {
	const { request, setup } = readRequest(typed, args, io);
	const folder = openFolder(setup.name, args, io);
	const placed = { ...request, folder: folder.path };
	const shown = shownPath(folder.path, io.cwd);
	const { schedulers, gates, seeds } = request;
	const total = schedulers.length * gates.length * seeds;
	const progress = startProgress(
		`running ${setup.name}: ${counted(schedulers, 'scheduler')}, ${counted(gates, 'gate')}, ${seedsText(request)}: ${plural(total, 'run')}, into ${shown}`,
		total,
		args,
		io,
	);
	let outcome: CompareOutcome;
	let document: Comparison;
	try {
		folder.write('experiment.yaml', stringify(setup.resolved, { lineWidth: 110 }));
		for (const { name, text } of setup.inputs) folder.write(name, text);
		const onDone = ({ job, summary }: CompareOutcome['results'][number], done: number): void =>
			progress.update(done, `${rowKey(job)} seed ${job.seed}: ${summary.makespanSeconds.toFixed(1)} s`);
		outcome = await compareSchedulers(placed, studyPool(io.signal), { onDone });
		progress.stop();
		remark('drawing the report', args, io);
		document = args.flag('ablation') ? ablationOf(outcome) : outcome.comparison;
		folder.writeJson('summary.json', document);
		await writeReport(
			folder,
			{ ...reportOn(runsOf(outcome)), baseline: outcome.comparison.baseline },
			io.stderr,
		);
		// Last: it tells of everything above.
		folder.write('README.md', comparisonReadme(placed));
	} catch (error) {
		progress.stop();
		endBadly(folder, compareJobs(placed), error, io);
		if (error instanceof Interrupted)
			throw new Interrupted(`interrupted; the runs that had ended are in ${shown}`);
		throw error;
	}
	folder.end('complete', io.now());

	const { comparison, results } = outcome;
	if (args.flag('json')) {
		io.stdout.write(jsonText(document));
		remark(`run folder: ${shown}`, args, io);
	} else {
		const gate = gates.length === 1 ? `, gate ${gates[0]}` : '';
		const title = `${setup.name}, ${seedsText(request)}${gate}, baseline ${comparison.baseline}`;
		const table = args.flag('ablation') ? ablationText(ablationOf(outcome)) : comparisonTable(comparison);
		io.stdout.write(
			`${title}\n\n${table}\n\nrun folder: ${shown}\nreport:     ${path.join(shown, 'report.html')}\n`,
		);
	}
	const failed = results.reduce((sum, { summary }) => sum + summary.calls.failed, 0);
	if (failed > 0) remark(`${plural(failed, 'call')} failed; see calls.csv of the runs`, args, io);
	return failed > 0 ? EXIT.beyondLimit : EXIT.done;
}

/** It would be passed over without a word. */
function checkNoSchedulerSet(sets: readonly string[]): void {
	const set = sets.find((one) => one.startsWith('scheduler='));
	if (set === undefined) return;
	throw new UsageError(
		'E_OPTION_USE',
		`--set scheduler: expected --schedulers, or --ablation, to say what is compared, got '${set}'`,
	);
}

function readRequest(
	typed: string,
	args: Arguments,
	io: Io,
): { readonly request: Omit<CompareRequest, 'folder'>; readonly setup: Setup } {
	const isAblation = args.flag('ablation');
	if (isAblation) checkAblation(args);
	const experiment = experimentReference(typed, io.cwd);
	const sets = setsWithAudit(args);
	checkNoSchedulerSet(sets);
	const schedulers = isAblation
		? ABLATION_VARIANTS.map(({ scheduler }) => scheduler)
		: (args.names('schedulers') ?? defaultSchedulerNames);
	for (const name of schedulers) checkScheduler(name);
	const givenGates = args.names('gates');
	for (const name of givenGates ?? []) checkName('gate', name, gateNames);
	const seeds = args.whole('seeds', 1) ?? (isAblation ? 10 : 3);
	const baseline = args.text('baseline');
	const first = {
		experiment,
		sets,
		seed: args.whole('seed', 0),
		scheduler: schedulers[0],
		gate: givenGates?.[0],
	};
	const loaded = loadSetup(first, io.clockSeconds);
	checkPlannable(loaded, first, schedulers);
	const { setup } = loaded;
	// With nothing to skip there is nothing to decide early either.
	const ownGate = isAblation && setup.gate === 'never' ? 'majority' : setup.gate;
	const gates = givenGates ?? [ownGate];
	if (baseline !== undefined) checkBaseline(baseline, schedulers, gates);
	return {
		setup,
		request: {
			experiment,
			sets,
			schedulers,
			gates,
			seeds,
			firstSeed: setup.seed,
			...(baseline !== undefined && { baseline }),
			...(isAblation && { written: [schedulers[0] ?? '', schedulers.at(-1) ?? ''] }),
		},
	};
}

/** Before any run, so that a slip does not cost the time of all of them. */
function checkBaseline(baseline: string, schedulers: readonly string[], gates: readonly string[]): void {
	const rows = schedulers.flatMap((scheduler) => gates.map((gate) => `${scheduler}/${gate}`));
	checkName('baseline', baseline, [...schedulers, ...rows]);
}

function openFolder(experiment: string, args: Arguments, io: Io): RunFolder {
	return createRunFolder({
		out: outFolder(args, io.cwd),
		runsFolder: path.join(io.cwd, 'runs'),
		defaultName: `${experiment}-compare`,
		kind: 'comparison',
		command: args.words,
		version: programVersion(),
		startedAt: io.now(),
	});
}

function endBadly(folder: RunFolder, jobs: readonly RunJob[], error: unknown, io: Io): void {
	if (error instanceof UsageError) {
		folder.discard();
		return;
	}
	const state = error instanceof Interrupted ? 'interrupted' : 'failed';
	for (const run of jobs) {
		// Its thread was ended in the middle and could not say so itself.
		if (run.folder !== null && readStatus(run.folder)?.state === 'running')
			endStatus(run.folder, state, io.now());
	}
	folder.end(state, io.now());
}

const runsOf = ({ results }: CompareOutcome): LoadedRun[] =>
	results.flatMap(({ job: { folder } }) => (folder === null ? [] : [loadRun(folder)]));

const counted = (names: readonly string[], what: string): string =>
	names.length === 1 ? `${what} ${names[0]}` : plural(names.length, what);

const seedsText = ({ seeds, firstSeed }: Omit<CompareRequest, 'folder'>): string =>
	seeds === 1 ? `seed ${firstSeed}` : `seeds ${firstSeed} to ${firstSeed + seeds - 1}`;
