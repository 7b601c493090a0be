import type { EngineFactory, EngineModel } from '../domain/engine.ts';
import { assert, present, UsageError } from '../domain/errors.ts';
import type { MeasuredRun } from '../domain/measured-run.ts';
import type { TimeUs } from '../domain/units.ts';
import { examineTerms, type NoiseFloor, noiseFloor, type TermFinding } from './calibrate-floor.ts';
import { type StepLoad, stepLoads } from './calibrate-steps.ts';
import { callMetrics, percentOff, type RunMetrics } from './call-metrics.ts';
import {
	fitStepCost,
	type LeastSquares,
	modelTimeUs,
	type ReadRun,
	type StepCostFit,
} from './fit-step-cost.ts';

/** Steps of one kind in one run: their measured model time, and the cost's error on it. */
export interface StepKindError {
	readonly steps: number;
	readonly measuredSeconds: number;
	/** Predicted against measured sum; null without such steps. */
	readonly errorPercent: number | null;
}

export interface RunComparison {
	readonly name: string;
	readonly makespanErrorPercent: number;
	readonly ttftMeanErrorPercent: number;
	readonly tpotMeanErrorPercent: number;
	readonly latencyP95ErrorPercent: number;
	readonly preemptions: { readonly measured: number; readonly simulated: number };
	readonly measured: RunMetrics;
	readonly simulated: RunMetrics;
	/** The cost on the steps as they were really made up, so without any error of scheduling; null for an unread run. */
	readonly stepErrors: StepErrors | null;
}

export interface StepErrors {
	readonly all: StepKindError;
	readonly decodeOnly: StepKindError;
	readonly prefill: StepKindError;
	/** Right after a preemption. */
	readonly preempting: StepKindError;
	readonly recomputing: StepKindError;
}

/** What was learnt from the runs of one kind of server. */
export interface ServerFit extends StepCostFit {
	readonly server: string;
	readonly floor: NoiseFloor;
	readonly terms: readonly TermFinding[];
	/** Runs whose iterations contradict their calls: left out of fit and floor. */
	readonly unread: readonly { readonly name: string; readonly reason: string }[];
}

export interface Calibration {
	/** In the order given; runs that were fitted on are not among them. */
	readonly runs: readonly RunComparison[];
	readonly makespan: {
		readonly medianAbsoluteErrorPercent: number;
		readonly worstAbsoluteErrorPercent: number;
	} | null;
	readonly fit: { readonly servers: readonly ServerFit[] };
}

/** Runs to fit step costs on; all others are predicted. */
export const isGrid = ({ name }: MeasuredRun): boolean => name.split('-').includes('grid');

/**
 * Fits the step cost on the runs named `grid`, for each kind of server, and replays every other run through the engine
 * model: same arrivals, prompts, output lengths and settings.
 * @throws UsageError when a server has no run named `grid` that can be read
 */
export function calibrate(
	measured: readonly MeasuredRun[],
	createEngine: EngineFactory,
	leastSquares: LeastSquares,
): Calibration {
	const fits = new Map<string, ServerFit>();
	for (const { server } of measured) {
		if (fits.has(server)) continue;
		fits.set(
			server,
			fitServer(
				server,
				measured.filter((run) => run.server === server),
				leastSquares,
			),
		);
	}
	const runs = measured
		.filter((run) => !isGrid(run))
		.map((run) => compareRun(run, present(fits.get(run.server), 'fit'), createEngine));
	const errors = runs.map((run) => Math.abs(run.makespanErrorPercent)).sort((a, b) => a - b);
	return {
		runs,
		makespan:
			errors.length === 0
				? null
				: { medianAbsoluteErrorPercent: median(errors), worstAbsoluteErrorPercent: errors.at(-1) ?? 0 },
		fit: { servers: [...fits.values()] },
	};
}

function fitServer(server: string, runs: readonly MeasuredRun[], leastSquares: LeastSquares): ServerFit {
	if (!runs.some(isGrid)) {
		const expected = `at least one run of ${server} named 'grid' to fit on`;
		throw new UsageError('E_CALIBRATION_GRID', `${runs[0]?.place}: name: expected ${expected}, got none`);
	}
	const read: ReadRun[] = [];
	const unread: { readonly name: string; readonly reason: string }[] = [];
	for (const run of runs) {
		try {
			read.push({ run, loads: stepLoads(run) });
		} catch (error) {
			if (!(error instanceof UsageError)) throw error;
			unread.push({ name: run.name, reason: error.message });
		}
	}
	const grid = read.filter(({ run }) => isGrid(run));
	if (grid.length === 0) throw new UsageError('E_MEASURED_RUN', unread[0]?.reason ?? '');
	const others = read.filter(({ run }) => !isGrid(run));
	const fit = fitStepCost(grid, leastSquares);
	const { kneeTokens } = fit.cost;
	return {
		server,
		...fit,
		floor: noiseFloor(read, others, kneeTokens, leastSquares),
		terms: examineTerms(grid, others, kneeTokens, leastSquares),
		unread,
	};
}

function compareRun(run: MeasuredRun, fit: ServerFit, createEngine: EngineFactory): RunComparison {
	const engine = createEngine(run.config, fit.cost);
	const times = simulatedTimes(run, engine, fit.frontEndDelayUs);
	const measured = callMetrics(run.calls);
	const simulated = callMetrics(
		run.calls.map((call, index) => ({ ...call, ...present(times[index], 'simulated call') })),
	);
	const error = (key: keyof RunMetrics): number => percentOff(simulated[key], measured[key]);
	return {
		name: run.name,
		makespanErrorPercent: error('makespanSeconds'),
		ttftMeanErrorPercent: error('ttftMeanSeconds'),
		tpotMeanErrorPercent: error('tpotMeanSeconds'),
		latencyP95ErrorPercent: error('latencyP95Seconds'),
		preemptions: { measured: run.preemptions, simulated: engine.gauges().preemptions },
		measured,
		simulated,
		stepErrors: fit.unread.some(({ name }) => name === run.name) ? null : stepErrors(stepLoads(run), fit),
	};
}

function stepErrors(loads: readonly StepLoad[], { cost }: StepCostFit): StepErrors {
	const ofKind = (isKind: (load: StepLoad) => boolean): StepKindError => {
		const kind = loads.filter(isKind);
		const measuredUs = kind.reduce((sum, load) => sum + load.modelUs, 0);
		const predictedUs = kind.reduce((sum, load) => sum + modelTimeUs(cost, load), 0);
		return {
			steps: kind.length,
			measuredSeconds: measuredUs / 1e6,
			errorPercent: kind.length === 0 ? null : percentOff(predictedUs, measuredUs),
		};
	};
	return {
		all: ofKind(() => true),
		decodeOnly: ofKind(({ prefillTokens }) => prefillTokens === 0),
		prefill: ofKind(({ prefillTokens, recomputedTokens }) => prefillTokens > recomputedTokens),
		preempting: ofKind(({ preempted }) => preempted > 0),
		recomputing: ofKind(({ recomputedTokens }) => recomputedTokens > 0),
	};
}

interface CallTimes {
	readonly firstTokenUs: TimeUs;
	readonly lastTokenUs: TimeUs;
}

/** Sends every call when it was sent, plus what it took to reach the engine. @returns its times, in the order of the calls */
function simulatedTimes(run: MeasuredRun, engine: EngineModel, delayUs: TimeUs): readonly CallTimes[] {
	const times = new Map<string, CallTimes>();
	const advance = (untilUs: TimeUs): void => {
		for (let nowUs = engine.nextUs(); nowUs <= untilUs && Number.isFinite(nowUs); nowUs = engine.nextUs()) {
			for (const event of engine.advance(nowUs)) {
				assert(event.kind === 'finished', `call ${event.id} of ${run.name} was rejected`);
				times.set(event.id, { firstTokenUs: event.firstTokenUs, lastTokenUs: event.timeUs });
			}
		}
	};
	for (const call of [...run.calls].sort((a, b) => a.sentUs - b.sentUs)) {
		const nowUs = call.sentUs + delayUs;
		// What is due at this very instant happens after it is known.
		advance(nowUs - 1);
		engine.submit(
			{
				id: call.id,
				promptTokens: call.promptTokens,
				promptSegments: call.promptSegments,
				outputTokens: call.outputTokens,
				endsByStop: false,
				maxOutputTokens: call.outputTokens,
				priority: 0,
			},
			nowUs,
		);
	}
	advance(Number.POSITIVE_INFINITY);
	return run.calls.map(({ id }) => present(times.get(id), `end of call ${id}`));
}

function median(sorted: readonly number[]): number {
	const middle = sorted.length / 2;
	return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}
