/**
 * Stepwise and leaping on many random workloads: `npm run property:engine -- [workloads] [seed]`. Exits 1 at the first
 * difference, with the number of the workload that shows it.
 */
import { isDeepStrictEqual } from 'node:util';
import { createLeapingEngine, createStepwiseEngine } from '../../sim/engine/index.ts';
import { randomWorkload, witness } from './agreement.ts';

const workloads = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? 1);
let events = 0;
let steps = 0;
let preemptions = 0;
for (let index = 0; index < workloads; index++) {
	const workload = randomWorkload(seed, index);
	const stepwise = witness(createStepwiseEngine, workload);
	if (!isDeepStrictEqual(witness(createLeapingEngine, workload), stepwise)) {
		process.stdout.write(`seed ${seed}, workload ${index}: the executions differ\n`);
		process.exit(1);
	}
	events += stepwise.events.length;
	steps += stepwise.looks.at(-1)?.steps ?? 0;
	preemptions += stepwise.looks.at(-1)?.preemptions ?? 0;
}
process.stdout.write(
	`seed ${seed}: ${workloads} workloads, ${steps} steps, ${events} requests ended, ${preemptions} preemptions: all equal\n`,
);
