import { existsSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../domain/errors.ts';
import { fitTestbed } from '../../study/fit-testbed.ts';
import { REPRODUCED_WORKLOADS } from '../../study/published.ts';
import {
	type ReproducedRow,
	type ReproduceRequest,
	type Reproduction,
	reproduce,
} from '../../study/reproduce.ts';
import { reproductionMarkdown } from '../../study/reproduction-markdown.ts';
import type { Arguments } from '../arguments.ts';
import { writeFileAtomically } from '../atomic-file.ts';
import { columns } from '../columns.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { checkName } from '../names.ts';
import { plural } from '../plural.ts';
import { remark, startProgress } from '../progress.ts';
import { shownPath } from '../run-folder.ts';
import { shellLine } from '../simulate-words.ts';
import { studyPool } from '../study-pool.ts';

/** At least ten seeds by default: one seed's expert stage varies by 10 to 17 %. */
const DEFAULT_SEEDS = 10;

export async function reproduceCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const workloads = args.names('workloads') ?? REPRODUCED_WORKLOADS;
	for (const name of workloads) checkName('workload', name, REPRODUCED_WORKLOADS);
	const request: ReproduceRequest = {
		workloads,
		seeds: args.whole('seeds', 1) ?? DEFAULT_SEEDS,
		firstSeed: args.whole('seed', 0) ?? 0,
		withChoices: !args.flag('quick'),
	};
	const target = markdownTarget(args, io);
	if (args.flag('fit')) return fitAnew(request, args, io);

	const reproduction = await withProgress(request, args, io);
	if (target !== undefined) {
		writeFileAtomically(target, reproductionMarkdown(reproduction, `mosaic ${shellLine(args.words)}`));
		remark(`written: ${shownPath(target, io.cwd)}`, args, io);
	}
	io.stdout.write(args.flag('json') ? jsonText({ format: 1, ...reproduction }) : table(reproduction));
	return EXIT.done;
}

async function withProgress(request: ReproduceRequest, args: Arguments, io: Io): Promise<Reproduction> {
	const choices = request.withChoices ? ', and under each open choice' : '';
	const opening = `running ${request.workloads.join(', ')} over ${plural(request.seeds, 'seed')} as published${choices}`;
	const progress = startProgress(opening, 1, args, io);
	try {
		return await reproduce(request, studyPool(io.signal), {
			onDone: ({ job }, done, total) =>
				progress.update(done, `${job.experiment} ${job.scheduler}/${job.gate} seed ${job.seed}`, total),
		});
	} finally {
		progress.stop();
	}
}

/** Works the fitted parameters out anew. They are printed, not taken over: a changed parameter is a change of the profiles. */
async function fitAnew(request: ReproduceRequest, args: Arguments, io: Io): Promise<ExitCode> {
	remark(`fitting ${request.workloads.join(', ')} over ${plural(request.seeds, 'seed')}`, args, io);
	const fitted = await fitTestbed(request, studyPool(io.signal), ({ workload, choice, parameter, value }) =>
		remark(`${workload}, ${choice}: ${parameter} = ${value}`, args, io),
	);
	const lines = fitted.flatMap(({ workload, choice, parameter, value, rows }) =>
		rows.map(({ row, publishedSeconds, meanSeconds }) => [
			workload,
			choice,
			parameter,
			String(value),
			row,
			publishedSeconds.toFixed(1),
			meanSeconds.toFixed(1),
		]),
	);
	const head = ['workload', 'choice', 'parameter', 'value', 'row', 'published s', 'simulated s'];
	io.stdout.write(
		args.flag('json') ? jsonText({ format: 1, fitted }) : `${columns([head, ...lines], 5).join('\n')}\n`,
	);
	return EXIT.done;
}

function table({ rows }: Reproduction): string {
	const head = ['workload', 'row', '', 'published s', 'simulated s', 'seeds s', 'error', 'open choices s'];
	return `${columns([head, ...rows.map(tableLine)], 3).join('\n')}\n`;
}

function tableLine(row: ReproducedRow): string[] {
	const { mean, low, high } = row.simulatedSeconds;
	return [
		row.workload,
		row.row,
		row.fitted ? 'fitted' : 'predicted',
		row.publishedSeconds.toFixed(1),
		mean.toFixed(1),
		`${low.toFixed(1)} to ${high.toFixed(1)}`,
		`${row.errorPercent > 0 ? '+' : ''}${row.errorPercent.toFixed(1)} %`,
		row.choices === null
			? '-'
			: `${row.choices.lowSeconds.toFixed(1)} to ${row.choices.highSeconds.toFixed(1)}`,
	];
}

/** Checked before anything is simulated. */
function markdownTarget(args: Arguments, io: Io): string | undefined {
	const given = args.text('write');
	if (given === undefined) return undefined;
	const file = path.resolve(io.cwd, given);
	if (path.extname(file) !== '.md')
		throw new UsageError('E_OPTION_VALUE', `option --write: expected a .md file, got '${given}'`);
	if (!existsSync(path.dirname(file))) {
		throw new UsageError(
			'E_OUT_FOLDER',
			`option --write: expected a file in a folder that exists, got '${given}'`,
		);
	}
	return file;
}
