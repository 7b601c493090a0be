/** The texts that `npm run results` writes. Everything in them follows from the runs. */
import { ABLATION_VARIANTS } from '../../sim/cli/ablation.ts';
import { plural } from '../../sim/cli/plural.ts';
import { type AblationVariant, ablate } from '../../sim/report/ablation.ts';
import { ablationMarkdown } from '../../sim/report/ablation-table.ts';
import { type ComparisonRow, compareSummaries, rowKey } from '../../sim/report/comparison.ts';
import type { Summary } from '../../sim/report/summary.ts';
import { listExperiments } from '../../traces/index.ts';
import {
	ABLATION_POLICIES,
	BASELINE,
	GATES,
	POLICIES,
	type Policy,
	WORKLOADS,
	type Workload,
} from './grid.ts';
import { fullTable, namedTable } from './markdown.ts';
import type { RunStore } from './run-store.ts';

export interface Made {
	/** e.g. `2026-01-31`. */
	readonly date: string;
	readonly version: string;
	/** Digest of the sources. */
	readonly sources: string;
	/** Runs of every cell: seeds 0, 1, ... */
	readonly seeds: number;
	readonly store: RunStore;
}

/** docs/results.md. */
export function resultsDocument(made: Made): string {
	const sections = WORKLOADS.flatMap((workload) => {
		const rows = rowsOf(workload, made);
		return rows === null ? [] : [`## ${workload.name}`, '', describe(workload), '', ...fullTable(rows), ''];
	});
	return [
		'# Results',
		'',
		'<!-- written by npm run results; do not edit -->',
		'',
		...COLUMN_NOTES,
		'',
		...sections,
		stamp(made, 'npm run results'),
		'',
	].join('\n');
}

/** The table of README.md, and how far the aim was met. */
export function readmeSection(made: Made): string {
	const rows = WORKLOADS.flatMap((workload) =>
		(rowsOf(workload, made) ?? [])
			.filter(({ scheduler, gate }) => ['ilp', 'adaptive'].includes(scheduler) && gate !== 'never')
			.map((row) => ({ name: nameOf(workload), row })),
	);
	return [
		`Paired runs over ${plural(made.seeds, 'seed')} on four simulated A100 80 GB. Speed-up is end to end over \`round-robin\` that aggregates every query, with its 95 % interval;`,
		'"times bound" is the makespan as a multiple of a time that no schedule can beat that settles every query under the same gate and limits; accuracy is',
		'against aggregating every query with nothing cut, on the same draws; "promised" is the loss that the gate bounds beforehand, at 90 % confidence.',
		'',
		...namedTable('workload', rows),
		'',
		...aimLines(made),
		'',
		'All policies and gates, stages, cancelled and cut calls, with and without cuts and shared GPUs: [docs/results.md](docs/results.md). What each idea contributes:',
		'[docs/policies.md](docs/policies.md).',
		stamp(made, 'npm run results'),
	].join('\n');
}

/** Of the workloads whose slots are published, the quickest cell of `adaptive` that promises to lose no more than the aim allows. */
function aimLines(made: Made): readonly string[] {
	const reached = WORKLOADS.filter(({ slots }) => slots === 'published').flatMap((workload) => {
		const promising = (rowsOf(workload, made) ?? []).filter(
			({ scheduler, lossBoundPoints }) =>
				scheduler === 'adaptive' && lossBoundPoints !== null && lossBoundPoints <= AIM.lossPoints,
		);
		const best = promising.toSorted((a, b) => (b.speedup?.mean ?? 0) - (a.speedup?.mean ?? 0))[0];
		if (best === undefined || best.speedup === null) return [];
		const speedup = best.speedup.mean.toFixed(2);
		const timesBound = best.timesBound?.mean.toFixed(2) ?? '-';
		const isMet = Number(speedup) >= AIM.speedup || Number(timesBound) <= AIM.timesBound;
		const said = `${nameOf(workload)} ${speedup} under \`${best.gate}\`, ${timesBound} times the bound`;
		return [`${said} (${isMet ? 'met' : 'missed'})`];
	});
	return [
		`The aim was a speed-up of ${AIM.speedup}, or ${AIM.timesBound.toFixed(2)} times the bound, with a promise to lose at most ${AIM.lossPoints} points. The best that promise it in every run:`,
		`${reached.join('; ')}.`,
	];
}

const AIM = { speedup: 3, timesBound: 1.1, lossPoints: 0.1 };

/** Per workload what each gate leaves to the aggregator, for docs/policies.md. */
export function gatesSection(made: Made): string {
	const rows = WORKLOADS.flatMap((workload) => {
		const { total } = summariesOf(workload, POLICIES, ['never'], made)[0]?.queries ?? { total: null };
		return (rowsOf(workload, made) ?? [])
			.filter(({ scheduler }) => ['ilp', 'adaptive'].includes(scheduler))
			.map((row) => ({ name: `${nameOf(workload)}${total === null ? '' : `, ${total} queries`}`, row }));
	});
	return [...namedTable('workload', rows), '', stamp(made, 'npm run results')].join('\n');
}

/** Tables of what each idea contributes, for docs/policies.md. */
export function ablationSection(made: Made): string {
	const tables = WORKLOADS.flatMap((workload) =>
		GATES.flatMap((gate) => {
			const summaries = summariesOf(workload, ABLATION_POLICIES, [gate], made);
			const has = (variant: AblationVariant | undefined): boolean =>
				summaries.some(({ scheduler }) => scheduler === variant?.scheduler);
			if (!has(ABLATION_VARIANTS[0]) || !has(ABLATION_VARIANTS.at(-1))) return [];
			const { rows } = ablate(summaries, ABLATION_VARIANTS);
			return [`**${nameOf(workload)}, gate ${gate}**`, '', ...ablationMarkdown(rows), ''];
		}),
	);
	return [
		...tables,
		stamp(made, 'npm run results -- --ablation'),
		'One of these tables: `npm run -s mosaic -- compare WORKLOAD --ablation --gates GATE`.',
	].join('\n');
}

/**
 * Puts text between two marks, `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
 * @throws Error when the document has lost them
 */
export function between(document: string, name: string, text: string): string {
	const [begin, end] = [`<!-- ${name}:begin -->\n`, `<!-- ${name}:end -->`];
	const [before, rest] = document.split(begin);
	const after = rest?.split(end)[1];
	if (before === undefined || after === undefined)
		throw new Error(`the document lost its marks: expected ${begin.trim()} and ${end}`);
	return `${before}${begin}${text}\n${end}${after}`;
}

/** Rows of a workload against the baseline, in the order of the grid; null without the baseline's runs. */
function rowsOf(workload: Workload, made: Made): readonly ComparisonRow[] | null {
	const summaries = summariesOf(workload, POLICIES, GATES, made);
	const baseline = rowKey({ scheduler: BASELINE.policy.label, gate: BASELINE.gate });
	if (!summaries.some((summary) => rowKey(summary) === baseline)) return null;
	return compareSummaries(summaries, baseline).rows;
}

/** Of cells of which every seed was run, each with the label of its policy. */
function summariesOf(
	{ name: workload }: Workload,
	policies: readonly Policy[],
	gates: readonly string[],
	{ store, seeds }: Made,
): readonly Summary[] {
	return policies.flatMap(({ key, label }) =>
		gates.flatMap((gate) => {
			const cell = { workload, policy: key, gate };
			const found = Array.from({ length: seeds }, (_, seed) => store.get(cell, seed));
			const summaries = found.filter((summary) => summary !== null);
			return summaries.length < seeds ? [] : summaries.map((summary) => ({ ...summary, scheduler: label }));
		}),
	);
}

const nameOf = ({ name, slots }: Workload): string =>
	slots === 'assumed' ? `${name} (slots assumed)` : name;

function describe({ name, slots }: Workload): string {
	const about = listExperiments().find((experiment) => experiment.name === name)?.description ?? name;
	const marked =
		slots === 'assumed' ? ' How many calls each expert gets is not published: **slots assumed**.' : '';
	return `${about.replace(/, slots assumed$/, '')}.${marked}`;
}

function stamp({ date, version, sources, seeds, store }: Made, command: string): string {
	const old = store.hasOld ? ', some runs by earlier sources' : '';
	return `Version ${version}, sources ${sources}${old}, ${date}, ${seeds === 1 ? 'seed 0' : `seeds 0 to ${seeds - 1}`}, by \`${command}\`.`;
}

const COLUMN_NOTES: readonly string[] = [
	'Simulated on four A100 80 GB; the policies are explained in [policies.md](policies.md). Means over the seeds; every policy and gate meets the same questions, lengths and answers.',
	'',
	'- **expert, aggregator s**: until the last expert call has ended, and from there to the end. Under policies without a barrier the two overlap, and the second is only what is left.',
	'- **speed-up**: end to end over `round-robin` with gate `never`, which aggregates every query: geometric mean seed by seed, with its 95 % interval (Student t on logarithms).',
	'- **times bound**: the makespan as a multiple of a time that no schedule can beat that settles every query under the same gate and limits ([architecture.md](architecture.md)).',
	'- **aggregated**: queries that the aggregator answered. **given up**: calls cancelled while they ran + calls that never started. **cut**: calls whose output was cut short.',
	'- **accuracy**: change in percentage points against aggregating every query with nothing cut, on the same draws, with its 95 % interval. **promised**: the loss that the gate',
	'  bounds beforehand, at 90 % confidence over calibration sets; `-` for gates that promise nothing.',
	'',
	'`oracle` knows every length and is no policy that anybody could run: it shows what knowing them would be worth.',
];
