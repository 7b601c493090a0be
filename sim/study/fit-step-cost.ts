import { assert } from '../domain/errors.ts';
import type { MeasuredRun } from '../domain/measured-run.ts';
import type { StepCost } from '../domain/model.ts';
import type { StepLoad } from './calibrate-steps.ts';

/** Minimizes sum over rows of (row . x - target)^2 subject to x >= 0. */
export type LeastSquares = (
	rows: readonly (readonly number[])[],
	targets: readonly number[],
) => readonly number[];

/** A recording and what its steps held. */
export interface ReadRun {
	readonly run: MeasuredRun;
	readonly loads: readonly StepLoad[];
}

/** What the cost of a step depends on. */
export type CostedLoad = Pick<
	StepLoad,
	'prefillTokens' | 'prefillChunkSquares' | 'decodeSequences' | 'decodeContextTokens'
>;

export interface StepCostFit {
	readonly cost: StepCost;
	/** From sending a call until the engine knows it, and its last token's way back, together. */
	readonly frontEndDelayUs: number;
	readonly runs: readonly string[];
	readonly steps: number;
	/** |predicted - measured| / measured of the fitted steps' model time. */
	readonly stepErrorPercent: { readonly mean: number; readonly p95: number; readonly max: number };
	/** Predicted against measured sum of the fitted steps' model time. */
	readonly totalErrorPercent: number;
}

/** Tokens in a step that may cost nothing extra: the candidates among which the fit chooses. */
export const KNEES_TOKENS: readonly number[] = [0, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/**
 * Coefficients of the step-cost formula from measured steps, and the host time that lies between them.
 * @param runs at least one, with at least one step
 */
export function fitStepCost(runs: readonly ReadRun[], leastSquares: LeastSquares): StepCostFit {
	const loads = runs.flatMap((each) => each.loads);
	assert(loads.length > 0, 'there is no step to fit on');
	const targets = loads.map(({ modelUs }) => modelUs);
	const fits = KNEES_TOKENS.map((kneeTokens) => {
		const rows = loads.map((load) => costColumns(load, kneeTokens));
		const coefficients = fitMeans(rows, targets, leastSquares);
		return { kneeTokens, coefficients, error: relativeRms(predict(rows, coefficients), targets) };
	});
	const { kneeTokens, coefficients } = fits.reduce((a, b) => (b.error < a.error ? b : a));
	const [base = 0, perToken = 0, perDecode = 0, perContext = 0, perSquare = 0] = coefficients;
	const { hostUs, hostPerSequenceUs, frontEndDelayUs } = fitHost(runs, leastSquares);
	const cost: StepCost = {
		hostUs,
		hostPerSequenceUs,
		baseUs: base,
		perTokenOverKneeUs: perToken,
		kneeTokens,
		perDecodeSequenceUs: perDecode,
		perContextTokenUs: perContext,
		perPrefillTokenSquaredUs: perSquare,
		allReduceUs: 0,
	};
	const predicted = loads.map((load) => modelTimeUs(cost, load));
	const errors = predicted
		.map((value, i) => 100 * Math.abs(value / (targets[i] ?? value) - 1))
		.sort((a, b) => a - b);
	return {
		cost,
		frontEndDelayUs: Math.round(frontEndDelayUs),
		runs: runs.map(({ run }) => run.name),
		steps: loads.length,
		stepErrorPercent: {
			mean: sum(errors) / errors.length,
			p95: errors[Math.ceil(0.95 * errors.length) - 1] ?? 0,
			max: errors.at(-1) ?? 0,
		},
		totalErrorPercent: 100 * (sum(predicted) / sum(targets) - 1),
	};
}

/** Predicted time of a step without host, microseconds. */
export function modelTimeUs(cost: StepCost, load: StepLoad): number {
	const coefficients = [
		cost.baseUs,
		cost.perTokenOverKneeUs,
		cost.perDecodeSequenceUs,
		cost.perContextTokenUs,
		cost.perPrefillTokenSquaredUs,
	];
	return predict([costColumns(load, cost.kneeTokens)], coefficients)[0] ?? 0;
}

/** What the coefficients base, perTokenOverKnee, perDecodeSequence, perContextToken, perPrefillTokenSquared multiply. */
export function costColumns(load: CostedLoad, kneeTokens: number): readonly number[] {
	const { prefillTokens, prefillChunkSquares, decodeSequences, decodeContextTokens } = load;
	return [
		1,
		Math.max(0, prefillTokens + decodeSequences - kneeTokens),
		decodeSequences,
		decodeContextTokens,
		prefillChunkSquares,
	];
}

/**
 * Least squares for noise that grows with what is measured: every row is weighted by one over its prediction, over and over.
 * Weighting by one over the measurement would be simpler and wrong: a step that met other work on the machine would count
 * less, so that sums come out too low, by 4 % on the recordings of a CPU server.
 */
export function fitMeans(
	rows: readonly (readonly number[])[],
	targets: readonly number[],
	leastSquares: LeastSquares,
): readonly number[] {
	let predicted = targets;
	let coefficients: readonly number[] = [];
	for (let round = 0; round < 30; round++) {
		const weights = predicted.map((value) => 1 / Math.max(value, 1e-9));
		coefficients = leastSquares(
			rows.map((row, i) => row.map((value) => value * (weights[i] ?? 0))),
			targets.map((target, i) => target * (weights[i] ?? 0)),
		);
		const next = predict(rows, coefficients);
		const change = Math.max(...next.map((value, i) => Math.abs(value / (predicted[i] ?? value) - 1)));
		predicted = next;
		if (change < 1e-6) break;
	}
	return coefficients;
}

export const predict = (
	rows: readonly (readonly number[])[],
	coefficients: readonly number[],
): readonly number[] => rows.map((row) => sum(row.map((value, j) => value * (coefficients[j] ?? 0))));

/** Root mean square of measured against predicted, relative to predicted. */
export function relativeRms(predicted: readonly number[], measured: readonly number[]): number {
	const squares = predicted.map((value, i) => ((measured[i] ?? 0) / value - 1) ** 2);
	return Math.sqrt(sum(squares) / squares.length);
}

/**
 * Time that the iterations leave out: per step, per sequence of a step, and once per call on its way. Two equations a run:
 * from the first call to its first token, and to the last token of all where no pause can lie between.
 */
function fitHost(
	runs: readonly ReadRun[],
	leastSquares: LeastSquares,
): Pick<StepCost, 'hostUs' | 'hostPerSequenceUs'> & { readonly frontEndDelayUs: number } {
	const rows: number[][] = [];
	const targets: number[] = [];
	for (const { run, loads } of runs) {
		const firstSentUs = Math.min(...run.calls.map(({ sentUs }) => sentUs));
		const firstTokenUs = Math.min(...run.calls.map((call) => call.firstTokenUs));
		const addEquation = (steps: readonly StepLoad[], endUs: number): void => {
			rows.push([1, steps.length, sum(steps.map(({ sequences }) => sequences))]);
			targets.push(Math.max(1, endUs - firstSentUs - sum(steps.map(({ modelUs }) => modelUs))));
		};
		addEquation(loads.slice(0, loads.findIndex(({ firstTokens }) => firstTokens > 0) + 1), firstTokenUs);
		if (run.calls.every(({ sentUs }) => sentUs < firstTokenUs))
			addEquation(loads, Math.max(...run.calls.map(({ lastTokenUs }) => lastTokenUs)));
	}
	const [frontEndDelayUs = 0, hostUs = 0, hostPerSequenceUs = 0] = fitMeans(rows, targets, leastSquares);
	return { frontEndDelayUs, hostUs, hostPerSequenceUs };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
