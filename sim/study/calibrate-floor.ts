import type { StepLoad } from './calibrate-steps.ts';
import {
	costColumns,
	fitMeans,
	type LeastSquares,
	predict,
	type ReadRun,
	relativeRms,
} from './fit-step-cost.ts';

/** How well any prediction from batch and context can do on these recordings. */
export interface NoiseFloor {
	/** Steps that only decode, equal in batch, their contexts in the same 512 tokens. */
	readonly equalSteps: {
		/** Root mean square distance of a step from the mean of its like in the same run. */
		readonly withinRunPercent: number;
		/** Root mean square distance of a run's mean from the mean over runs. */
		readonly betweenRunsPercent: number;
		/** The two runs that lie farthest apart on one kind of step. */
		readonly widest: {
			readonly decodeSequences: number;
			readonly contextTokens: number;
			readonly quickMs: number;
			readonly slowMs: number;
		} | null;
	};
	/** Error on the step time of whole runs that is left when the cost is fitted on those very runs. */
	readonly ownFit: readonly { readonly name: string; readonly errorPercent: number }[];
}

/** A further term of the step cost, tried on both halves of the recordings. */
export interface TermFinding {
	readonly term: string;
	readonly reason: string;
	/** Microseconds per unit of the term, fitted beside the usual ones; null where no step has it. */
	readonly gridUs: number | null;
	readonly othersUs: number | null;
	/** Root mean square error of the steps with prefill, fitted without and with it. */
	readonly gridPrefillErrorPercent: { readonly without: number; readonly with: number };
	readonly othersPrefillErrorPercent: { readonly without: number; readonly with: number };
}

const CONTEXT_CELL_TOKENS = 512;
/** A cell's mean over fewer steps says little about its run. */
const LEAST_STEPS = 5;

/**
 * @param all runs whose equal steps are held against each other
 * @param predicted runs to fit a cost of their own on
 */
export function noiseFloor(
	all: readonly ReadRun[],
	predicted: readonly ReadRun[],
	kneeTokens: number,
	leastSquares: LeastSquares,
): NoiseFloor {
	return {
		equalSteps: equalSteps(all),
		ownFit: ownFit(predicted, kneeTokens, leastSquares),
	};
}

/** Which further terms would have explained something: the suspects when memory is tight, and attention of long prompts. */
export function examineTerms(
	grid: readonly ReadRun[],
	others: readonly ReadRun[],
	kneeTokens: number,
	leastSquares: LeastSquares,
): readonly TermFinding[] {
	const halves = [grid, others].map((runs) => runs.flatMap(({ loads }) => loads));
	const without = halves.map((loads) => prefillError(loads, kneeTokens, null, leastSquares));
	return TERMS.map(({ term, reason, value }) => {
		const [onGrid, onOthers] = halves.map((loads) => prefillError(loads, kneeTokens, value, leastSquares));
		return {
			term,
			reason,
			gridUs: onGrid?.coefficientUs ?? null,
			othersUs: onOthers?.coefficientUs ?? null,
			gridPrefillErrorPercent: { without: without[0]?.percent ?? 0, with: onGrid?.percent ?? 0 },
			othersPrefillErrorPercent: { without: without[1]?.percent ?? 0, with: onOthers?.percent ?? 0 },
		};
	});
}

const TERMS: readonly {
	readonly term: string;
	readonly reason: string;
	readonly value: (load: StepLoad) => number;
}[] = [
	{
		term: 'prefillStepSquared',
		reason: 'if attention crossed requests, two prompts of 500 tokens would cost as much as one of 1000',
		value: (load) => load.prefillTokens ** 2,
	},
	{
		term: 'prefillAttentionPair',
		reason: 'a chunk attends to all that lies before it, also to chunks of earlier steps',
		value: (load) => load.prefillAttentionPairs,
	},
	{
		term: 'preemption',
		reason: 'blocks are freed and tables rebuilt',
		value: (load) => load.preempted,
	},
	{
		term: 'recomputedToken',
		reason: 'a preempted request is computed again beside the others',
		value: (load) => load.recomputedTokens,
	},
];

/** Steps with prefill only: among thousands of decoding steps a term of prefill is not seen. */
function prefillError(
	loads: readonly StepLoad[],
	kneeTokens: number,
	term: ((load: StepLoad) => number) | null,
	leastSquares: LeastSquares,
): { readonly percent: number; readonly coefficientUs: number | null } {
	const steps = loads.filter(({ prefillTokens, preempted }) => prefillTokens > 0 || preempted > 0);
	if (steps.length === 0) return { percent: 0, coefficientUs: null };
	const rows = steps.map((load) => [
		...costColumns(load, kneeTokens),
		...(term === null ? [] : [term(load)]),
	]);
	const targets = steps.map(({ modelUs }) => modelUs);
	const coefficients = fitMeans(rows, targets, leastSquares);
	const isSeen = term !== null && steps.some((load) => term(load) > 0);
	return {
		percent: 100 * relativeRms(predict(rows, coefficients), targets),
		coefficientUs: isSeen ? (coefficients.at(-1) ?? null) : null,
	};
}

function ownFit(
	runs: readonly ReadRun[],
	kneeTokens: number,
	leastSquares: LeastSquares,
): NoiseFloor['ownFit'] {
	const loads = runs.flatMap((each) => each.loads);
	if (loads.length === 0) return [];
	const coefficients = fitMeans(
		loads.map((load) => costColumns(load, kneeTokens)),
		loads.map(({ modelUs }) => modelUs),
		leastSquares,
	);
	return runs.map(({ run, loads }) => {
		const predicted = predict(
			loads.map((load) => costColumns(load, kneeTokens)),
			coefficients,
		);
		const measuredUs = total(loads.map(({ modelUs }) => modelUs));
		return { name: run.name, errorPercent: 100 * (total(predicted) / measuredUs - 1) };
	});
}

function equalSteps(runs: readonly ReadRun[]): NoiseFloor['equalSteps'] {
	const cells = new Map<string, { readonly load: StepLoad; readonly byRun: Map<string, number[]> }>();
	for (const { run, loads } of runs) {
		for (const load of loads) {
			if (load.prefillTokens > 0) continue;
			const { decodeSequences, decodeContextTokens, modelUs } = load;
			const key = `${decodeSequences} ${Math.floor(decodeContextTokens / CONTEXT_CELL_TOKENS)}`;
			const cell = cells.get(key) ?? { load, byRun: new Map<string, number[]>() };
			cells.set(key, cell);
			const times = cell.byRun.get(run.name) ?? [];
			cell.byRun.set(run.name, times);
			times.push(modelUs);
		}
	}
	const within = new Deviations();
	const between = new Deviations();
	let widest: NoiseFloor['equalSteps']['widest'] = null;
	for (const { load, byRun } of cells.values()) {
		for (const times of byRun.values()) within.add(times);
		const means = [...byRun.values()].filter((times) => times.length >= LEAST_STEPS).map(mean);
		between.add(means);
		if (means.length < 2) continue;
		const quickMs = Math.min(...means) / 1000;
		const slowMs = Math.max(...means) / 1000;
		if (widest !== null && slowMs / quickMs <= widest.slowMs / widest.quickMs) continue;
		const { decodeSequences, decodeContextTokens } = load;
		const contextTokens = Math.floor(decodeContextTokens / CONTEXT_CELL_TOKENS) * CONTEXT_CELL_TOKENS;
		widest = { decodeSequences, contextTokens, quickMs, slowMs };
	}
	return { withinRunPercent: within.rmsPercent(), betweenRunsPercent: between.rmsPercent(), widest };
}

/** Pooled relative distance of values from the mean of their group. */
class Deviations {
	private squares = 0;
	private freedom = 0;

	add(values: readonly number[]): void {
		if (values.length < 2) return;
		const middle = mean(values);
		this.squares += total(values.map((value) => (value / middle - 1) ** 2));
		this.freedom += values.length - 1;
	}

	rmsPercent(): number {
		return this.freedom === 0 ? 0 : 100 * Math.sqrt(this.squares / this.freedom);
	}
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const mean = (values: readonly number[]): number => total(values) / values.length;
