/**
 * Draws what the GPUs do under each policy, for docs/policies.md: `npm run pictures`, or some of them with `npm run pictures -- NAME...`. One run
 * each of the same experiment, gate and seed, all on one time axis; those that take longer have their own.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { executeRun } from '../sim/cli/execute-run.ts';
import { loadSetup } from '../sim/cli/load-setup.ts';
import { checkName } from '../sim/cli/names.ts';
import { programVersion } from '../sim/cli/version.ts';
import { UsageError } from '../sim/domain/errors.ts';
import { ganttChart } from '../sim/report/charts/gantt.ts';
import { renderSvg } from '../sim/report/render.ts';
import type { RunData } from '../sim/report/run-data.ts';
import { schedulerNames } from '../solver/index.ts';

const EXPERIMENT = 'gpqa';
const GATE = 'majority';
const SEED = 0;
/** Whose makespan is the common time axis. */
const AXIS = 'round-robin';
const MAX_BYTES = 60_000;
const FOLDER = path.join(__dirname, '../docs/images/policies');

async function main(names: readonly string[]): Promise<void> {
	const wanted = names.length === 0 ? schedulerNames : names;
	for (const name of wanted) checkName('scheduler', name, schedulerNames);
	mkdirSync(FOLDER, { recursive: true });
	const axis = await runOf(AXIS);
	const untilUs = axis.records.at(-1)?.timeUs ?? 0;
	for (const name of wanted) {
		const svg = await pictureOf(name === AXIS ? axis : await runOf(name), untilUs);
		writeFileSync(path.join(FOLDER, `${name}.svg`), `${svg}\n`);
		process.stdout.write(`${name}.svg: ${svg.length} bytes\n`);
	}
}

async function runOf(scheduler: string): Promise<RunData> {
	const request = { experiment: EXPERIMENT, sets: [], seed: SEED, scheduler, gate: GATE };
	const clockSeconds = (): number => performance.now() / 1000;
	const { records } = await executeRun({
		...loadSetup(request, clockSeconds),
		version: programVersion(),
		clockSeconds,
		signal: new AbortController().signal,
	});
	return { label: `${scheduler} on ${EXPERIMENT}, gate ${GATE}`, scheduler, gate: GATE, seed: SEED, records };
}

/** As fine as a small file allows. */
async function pictureOf(run: RunData, untilUs: number): Promise<string> {
	for (let columns = 720; ; columns = Math.floor(columns / 2)) {
		const svg = await renderSvg(ganttChart([run], { untilUs, columns }).spec);
		if (svg.length <= MAX_BYTES || columns < 10) return svg;
	}
}

main(process.argv.slice(2)).catch((error: unknown) => {
	if (!(error instanceof UsageError)) throw error;
	process.stderr.write(`${error.message}\n`);
	process.exitCode = 2;
});
