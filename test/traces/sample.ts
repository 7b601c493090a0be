import { expertCallId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { loadExperiment } from '../../traces/index.ts';

/** The same experiment at seeds 0 to count - 1. */
export const atSeeds = (name: string, count: number, sets: readonly string[] = []): readonly Setup[] =>
	Array.from({ length: count }, (_, seed) => loadExperiment(name, { seed, sets }));

export interface DrawnCall {
	readonly model: string;
	readonly promptTokens: number;
	readonly outputTokens: number;
	readonly answerTokens: number;
	readonly answer: string | null;
	readonly truncated: boolean;
	readonly right: boolean;
}

/** All expert calls of a setup, query by query. */
export const drawnQueries = (setup: Setup): readonly (readonly DrawnCall[])[] =>
	setup.queries.map((query) =>
		query.slots.map((model, slotIndex) => {
			const call = setup.truth.call(expertCallId(query.id, slotIndex));
			const right = call.answer === setup.truth.query(query.id).correctAnswer;
			return { model, promptTokens: query.slotPromptTokens[slotIndex] ?? Number.NaN, right, ...call };
		}),
	);

export const mean = (numbers: readonly number[]): number =>
	numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

/** Pearson correlation. */
export function correlation(xs: readonly number[], ys: readonly number[]): number {
	const mx = mean(xs);
	const my = mean(ys);
	const products = xs.map((x, i) => (x - mx) * ((ys[i] ?? 0) - my));
	const varianceOf = (values: readonly number[], middle: number) =>
		mean(values.map((v) => (v - middle) ** 2));
	return mean(products) / Math.sqrt(varianceOf(xs, mx) * varianceOf(ys, my));
}

/** Ranks from 0, equal values share their mean rank. */
export function ranks(values: readonly number[]): readonly number[] {
	const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value);
	const result = new Array<number>(values.length).fill(0);
	for (let from = 0; from < order.length; ) {
		let to = from;
		while (to < order.length && order[to]?.value === order[from]?.value) to++;
		for (let i = from; i < to; i++) result[order[i]?.index ?? 0] = (from + to - 1) / 2;
		from = to;
	}
	return result;
}

/** Everything of a setup as plain data, truth included, for comparing bytes. */
export const plain = (setup: Setup): string =>
	JSON.stringify({
		...setup,
		truth: setup.queries.map((query) => {
			const { correctAnswer, aggregatorOutputTokens, aggregatorAnswer } = setup.truth.query(query.id);
			const calls = query.slots.map((_, slotIndex) => setup.truth.call(expertCallId(query.id, slotIndex)));
			return {
				correctAnswer,
				aggregatorOutputTokens,
				reply: aggregatorAnswer(calls.map((call) => call.answer)),
				calls,
			};
		}),
	});
