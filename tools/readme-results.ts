/**
 * Writes the results table of README.md between its two markers: `npm run results`. The numbers come from paired runs over ten seeds; the
 * command, the date and the version stand beside them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { studyPool } from '../sim/cli/study-pool.ts';
import type { ComparisonRow } from '../sim/report/comparison.ts';
import { compareSchedulers } from '../sim/study/compare.ts';

const WORKLOADS = ['mmlu-pro', 'medmcqa', 'gpqa'];
const SCHEDULERS = ['round-robin', 'data-parallel', 'sequential', 'greedy', 'ilp'];
const GATES = ['never', 'majority'];
const SEEDS = 10;

async function main(): Promise<void> {
	const lines = [
		`Paired runs over ${SEEDS} seeds on four A100 80 GB; seconds are means, speed-up is against round-robin with the same`,
		'seeds (95 % interval), accuracy is against aggregating every query on the same draws. The paper’s aggregator stage follows its expert stage.',
		'',
	];
	for (const workload of WORKLOADS) {
		const { comparison } = await compareSchedulers(
			{
				experiment: workload,
				sets: [],
				schedulers: SCHEDULERS,
				gates: GATES,
				seeds: SEEDS,
				firstSeed: 0,
				folder: null,
			},
			studyPool(new AbortController().signal),
			{ onDone: (_, done, total) => process.stderr.write(`\r${workload} ${done}/${total} `) },
		);
		lines.push(
			`**${workload}**`,
			'',
			'| scheduler | gate | makespan s | expert s | aggregator s | speed-up | lower bound s | GPU idle | accuracy, points |',
			'| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
			...comparison.rows.map(tableLine),
			'',
		);
	}
	const { version } = JSON.parse(readFileSync(path.join(__dirname, '../package.json'), 'utf8'));
	const command = `npm run -s mosaic -- compare WORKLOAD --schedulers ${SCHEDULERS.join(',')} --gates ${GATES.join(',')} --seeds ${SEEDS}`;
	lines.push(
		`Version ${version}, ${new Date().toISOString().slice(0, 10)}; each table by \`${command}\`, all of them by \`npm run results\`.`,
		'The lower bound holds for any schedule of the calls that were made, also one without the barrier between the stages.',
	);
	const file = path.join(__dirname, '../README.md');
	const [before, rest] = readFileSync(file, 'utf8').split('<!-- results:begin -->\n');
	const after = rest?.split('<!-- results:end -->')[1];
	if (before === undefined || after === undefined) throw new Error('README.md lost its result markers');
	writeFileSync(file, `${before}<!-- results:begin -->\n${lines.join('\n')}\n<!-- results:end -->${after}`);
}

function tableLine(row: ComparisonRow): string {
	const seconds = (estimate: { readonly mean: number } | null): string =>
		estimate === null ? '' : estimate.mean.toFixed(0);
	const { speedup, accuracyDeltaPoints: accuracy } = row;
	const ratio =
		speedup === null
			? ''
			: `${speedup.mean.toFixed(2)} (${speedup.low.toFixed(2)} to ${speedup.high.toFixed(2)})`;
	const points = accuracy === null ? '' : accuracy.mean.toFixed(2);
	const cells = [
		row.scheduler,
		row.gate,
		seconds(row.makespanSeconds),
		seconds(row.expertSeconds),
		seconds(row.aggregatorSeconds),
		ratio,
		seconds(row.lowerBoundSeconds),
		`${row.idlePercent.mean.toFixed(0)} %`,
		points,
	];
	return `| ${cells.join(' | ')} |`;
}

void main();
