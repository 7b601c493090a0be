import type { Calibration, ServerFit } from '../study/calibrate.ts';
import { columns } from './columns.ts';
import { plainPercent, signedPercent } from './percent.ts';
import { plural } from './plural.ts';
import type { ServingCheck } from './serving-check.ts';

/** The runs, then fit and floor of each server, for people. */
export function calibrationText({ runs, makespan, fit }: Calibration): string {
	const head = ['run', 'makespan', 'TTFT', 'TPOT', 'p95', 'steps', 'own fit', 'preempted', 'simulated'];
	const ownFits = fit.servers.flatMap(({ floor }) => floor.ownFit);
	const lines = runs.map((run) => [
		run.name,
		signedPercent(run.makespanErrorPercent),
		signedPercent(run.ttftMeanErrorPercent),
		signedPercent(run.tpotMeanErrorPercent),
		signedPercent(run.latencyP95ErrorPercent),
		signedPercent(run.stepErrors?.all.errorPercent ?? null),
		signedPercent(ownFits.find(({ name }) => name === run.name)?.errorPercent ?? null),
		String(run.preemptions.measured),
		String(run.preemptions.simulated),
	]);
	const summary =
		makespan === null
			? []
			: [
					...columns([head, ...lines], 1),
					'',
					`makespan: median ${plainPercent(makespan.medianAbsoluteErrorPercent)}, worst ${plainPercent(makespan.worstAbsoluteErrorPercent)}`,
				];
	return `${[...summary, ...fit.servers.flatMap(serverLines)].join('\n')}\n`;
}

function serverLines({
	server,
	runs,
	steps,
	stepErrorPercent,
	totalErrorPercent,
	...rest
}: ServerFit): string[] {
	const { withinRunPercent, betweenRunsPercent, widest } = rest.floor.equalSteps;
	const coefficients = Object.entries(rest.cost).map(
		([name, value]) => `${name} ${Number(value.toPrecision(4))}`,
	);
	return [
		`${server}: fitted on ${plural(runs.length, 'run')}, ${plural(steps, 'step')}; error of a step ${plainPercent(stepErrorPercent.mean)} (p95 ${plainPercent(stepErrorPercent.p95)}), of their sum ${signedPercent(totalErrorPercent)}`,
		`  ${coefficients.join(', ')}, frontEndDelayUs ${rest.frontEndDelayUs}`,
		`  floor: steps of equal batch and context differ by ${plainPercent(withinRunPercent)} within a run, runs by ${plainPercent(betweenRunsPercent)}`,
		...(widest === null
			? []
			: [
					`    ${plural(widest.decodeSequences, 'decoding sequence')}, about ${widest.contextTokens} tokens: ${widest.quickMs.toFixed(1)} ms in one run, ${widest.slowMs.toFixed(1)} ms in another`,
				]),
		...rest.terms.map(
			({ term, gridUs, othersUs, gridPrefillErrorPercent: grid, othersPrefillErrorPercent: others }) =>
				`  with a term per ${term}: ${coefficient(gridUs)} on grid (error ${plainPercent(grid.without)} to ${plainPercent(grid.with)}), ${coefficient(othersUs)} on the others (${plainPercent(others.without)} to ${plainPercent(others.with)})`,
		),
		...rest.unread.map(({ reason }) => `  not read: ${reason}`),
	];
}

/** Steady serving, row by row. */
export function servingText(check: ServingCheck): string {
	const head = [
		...['prompt', 'output', 'in flight', 'TPOT ms', 'simulated', 'error'],
		...['TTFT ms', 'simulated'],
	];
	const lines = check.rows.map(({ load, measured, simulated, tpotErrorPercent }) => [
		String(load.promptTokens),
		String(load.outputTokens),
		String(load.concurrency),
		measured.tpotMs.toFixed(2),
		simulated.tpotMs.toFixed(2),
		signedPercent(tpotErrorPercent),
		measured.ttftMs.toFixed(0),
		simulated.ttftMs.toFixed(0),
	]);
	const { maxNumBatchedTokens, tpotMeanAbsoluteErrorPercent, atProfileBudget, engineProfile } = check;
	return `${[
		...columns([head, ...lines], 0),
		'',
		`TPOT, mean absolute error: ${plainPercent(tpotMeanAbsoluteErrorPercent)} (${engineProfile}, at most ${maxNumBatchedTokens} tokens a step)`,
		`with the profile's own ${atProfileBudget.maxNumBatchedTokens} tokens a step: ${plainPercent(atProfileBudget.tpotMeanAbsoluteErrorPercent)}`,
	].join('\n')}\n`;
}

const coefficient = (us: number | null): string =>
	us === null ? 'unseen' : `${Number(us.toPrecision(3))} us`;
