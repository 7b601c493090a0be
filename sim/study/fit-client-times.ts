import { assert, present } from '../domain/errors.ts';
import type { StepCost } from '../domain/model.ts';
import type { TimeUs } from '../domain/units.ts';
import {
	type CostedLoad,
	costColumns,
	fitMeans,
	KNEES_TOKENS,
	type LeastSquares,
	predict,
	relativeRms,
	type StepCostFit,
} from './fit-step-cost.ts';

/** Equal calls that were sent at the same moment to an idle engine, as their client saw them. */
export interface ClientRun {
	readonly name: string;
	readonly calls: readonly ClientCall[];
}

export interface ClientCall {
	readonly sentUs: TimeUs;
	readonly promptTokens: number;
	/** When the first n tokens were there, in order. */
	readonly arrivals: readonly { readonly tokens: number; readonly timeUs: TimeUs }[];
}

/** Steps that took so long together. */
interface Stretch {
	readonly loads: readonly CostedLoad[];
	readonly elapsedUs: number;
	/** 1 when it holds the way of a call to the engine and back, else 0. */
	readonly frontEnds: number;
}

/** Least steps of a stretch of decoding, where there are so many: chance in the arrival of one token weighs little, and contexts hardly change. */
const STRETCH_STEPS = 12;

/**
 * Coefficients of the step-cost formula from times that a client can see: the first token of a call that is alone, and the tokens of a batch
 * between the last first token and the first last one. Host time cannot be told from the rest and is in the other coefficients.
 * @param runs at least one
 * @param maxNumBatchedTokens budget by which long prompts were cut into steps
 */
export function fitClientTimes(
	runs: readonly ClientRun[],
	maxNumBatchedTokens: number,
	leastSquares: LeastSquares,
): StepCostFit {
	const stretches = runs.flatMap((run) => [...firstTokens(run, maxNumBatchedTokens), ...decoding(run)]);
	assert(stretches.length > 0, 'there is no time to fit on');
	const targets = stretches.map(({ elapsedUs }) => elapsedUs);
	const fits = KNEES_TOKENS.map((kneeTokens) => {
		const rows = stretches.map(({ loads, frontEnds }) => [...columnSums(loads, kneeTokens), frontEnds]);
		const coefficients = fitMeans(rows, targets, leastSquares);
		const predicted = predict(rows, coefficients);
		return { kneeTokens, coefficients, predicted, error: relativeRms(predicted, targets) };
	});
	const { kneeTokens, coefficients, predicted } = fits.reduce((a, b) => (b.error < a.error ? b : a));
	const [base = 0, perToken = 0, perDecode = 0, perContext = 0, perSquare = 0, frontEnd = 0] = coefficients;
	const cost: StepCost = {
		hostUs: 0,
		hostPerSequenceUs: 0,
		baseUs: base,
		perTokenOverKneeUs: perToken,
		kneeTokens,
		perDecodeSequenceUs: perDecode,
		perContextTokenUs: perContext,
		perPrefillTokenSquaredUs: perSquare,
		allReduceUs: 0,
	};
	const errors = predicted
		.map((value, i) => 100 * Math.abs(value / (targets[i] ?? value) - 1))
		.sort((a, b) => a - b);
	return {
		cost,
		frontEndDelayUs: Math.round(frontEnd),
		runs: runs.map(({ name }) => name),
		steps: stretches.reduce((sum, { loads }) => sum + loads.length, 0),
		stepErrorPercent: {
			mean: total(errors) / errors.length,
			p95: errors[Math.ceil(0.95 * errors.length) - 1] ?? 0,
			max: errors.at(-1) ?? 0,
		},
		totalErrorPercent: 100 * (total(predicted) / total(targets) - 1),
	};
}

/** Of a call that is alone: in a batch nobody knows how many of the others were in the same step. */
function firstTokens({ calls }: ClientRun, budget: number): readonly Stretch[] {
	const [call] = calls;
	const first = call?.arrivals[0];
	if (calls.length !== 1 || call === undefined || first === undefined) return [];
	const loads: CostedLoad[] = [];
	for (let left = call.promptTokens; left > 0; left -= budget) {
		const tokens = Math.min(left, budget);
		loads.push({
			prefillTokens: tokens,
			prefillChunkSquares: tokens * tokens,
			decodeSequences: 0,
			decodeContextTokens: 0,
		});
	}
	return [{ loads, elapsedUs: first.timeUs - call.sentUs, frontEnds: 1 }];
}

/** Stretches in which all calls decode, read off the call that began last. */
function decoding({ calls }: ClientRun): readonly Stretch[] {
	const spoken = calls.filter(({ arrivals }) => (arrivals.at(-1)?.tokens ?? 0) >= STRETCH_STEPS);
	if (spoken.length === 0 || spoken.length < calls.length) return [];
	const beganUs = (call: ClientCall): TimeUs => present(call.arrivals[0], 'first token').timeUs;
	const endedUs = (call: ClientCall): TimeUs => present(call.arrivals.at(-1), 'last token').timeUs;
	const last = spoken.reduce((a, b) => (beganUs(b) > beganUs(a) ? b : a));
	const untilUs = Math.min(...spoken.map(endedUs));
	const arrivals = last.arrivals.filter(({ timeUs }) => timeUs <= untilUs);
	const first = present(arrivals[0], 'first token');
	const steps = present(arrivals.at(-1), 'arrival').tokens - first.tokens;
	// All equally long: a short rest would be as noisy as one token.
	const count = Math.max(1, Math.floor(steps / STRETCH_STEPS));
	const marks = Array.from({ length: count + 1 }, (_, mark) => first.tokens + (mark * steps) / count);
	const at = marks.map((mark) =>
		present(
			arrivals.find(({ tokens }) => tokens >= mark),
			'arrival',
		),
	);
	return at.slice(1).flatMap((end, index): readonly Stretch[] => {
		const start = present(at[index], 'arrival');
		if (end.tokens <= start.tokens) return [];
		const contextTokens = total(spoken.map((call) => call.promptTokens + tokensAt(call, start.timeUs)));
		const loads = Array.from({ length: end.tokens - start.tokens }, (_, step) => ({
			prefillTokens: 0,
			prefillChunkSquares: 0,
			decodeSequences: spoken.length,
			decodeContextTokens: contextTokens + step * spoken.length,
		}));
		return [{ loads, elapsedUs: end.timeUs - start.timeUs, frontEnds: 0 }];
	});
}

const tokensAt = (call: ClientCall, timeUs: TimeUs): number =>
	call.arrivals.findLast((arrival) => arrival.timeUs <= timeUs)?.tokens ?? 0;

function columnSums(loads: readonly CostedLoad[], kneeTokens: number): readonly number[] {
	const rows = loads.map((load) => costColumns(load, kneeTokens));
	return Array.from({ length: rows[0]?.length ?? 0 }, (_, column) =>
		total(rows.map((row) => row[column] ?? 0)),
	);
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
