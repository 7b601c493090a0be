import { type Cost, type Measured, ratio, typical } from './measure.ts';
import type { Outcome } from './workload.ts';

export function say(line: string): void {
	process.stdout.write(`${line}\n`);
}

/** Both times and what a call takes of the second. */
export function times({ wallMs, cpuMs }: Cost, calls: number): string {
	return `${seconds(wallMs)} wall, ${seconds(cpuMs)} CPU, ${((1000 * cpuMs) / calls).toFixed(2)} us a call`;
}

/** Prints what was measured of a run of engines. */
export function show(what: string, measured: Measured<Outcome>): void {
	const { calls, outputTokens, steps, preemptedCalls } = measured.result;
	const preempted =
		preemptedCalls === 0 ? '' : `, ${((100 * preemptedCalls) / calls).toFixed(1)} % of them preempted`;
	const meanTokens = Math.round(outputTokens / calls);
	say(
		`${what}: ${times(typical(measured), calls)} (${calls.toLocaleString('en')} calls, mean output ${meanTokens} tokens, ${steps} steps${preempted})`,
	);
}

export function showRatio(other: Measured<unknown>, base: Measured<unknown>): void {
	say(`  ${ratio(other, base).toFixed(2)} times the time`);
}

/** Prints how leaping compares with stepwise on the same calls. */
export function showSpeedup(leaping: Measured<Outcome>, stepwise: Measured<Outcome>): void {
	const isSame = leaping.result.endUs === stepwise.result.endUs;
	say(`  leaping is ${ratio(stepwise, leaping).toFixed(1)} times as fast; same end: ${isSame}`);
}

const seconds = (ms: number): string => `${(ms / 1000).toPrecision(3)} s`;
