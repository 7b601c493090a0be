import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { createProblem } from '../../sim/core/problem.ts';
import type { PastQuery } from '../../sim/domain/calibration.ts';
import { expertCallId } from '../../sim/domain/ids.ts';
import type { Forecaster, Problem } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { drawRehearsal } from '../../sim/run/rehearsed-work.ts';
import { planningForecaster } from '../../sim/run/simulate.ts';
import { createGreedy } from '../../solver/greedy.ts';
import { createWorst } from '../../solver/worst.ts';
import { loadExperiment } from '../../traces/index.ts';
import { smallSetup } from '../support/setup-builder.ts';

const tiny = loadExperiment('tiny', { seed: 1, sets: [] });

function planning(setup: Setup): { readonly forecaster: Forecaster; readonly problem: Problem } {
	const gate = createGate(setup.gate);
	const forecaster = planningForecaster(setup, gate);
	return { forecaster, problem: createProblem(setup, gate, forecaster) };
}

const draw = (setup: Setup, sample = 0) => {
	const { forecaster, problem } = planning(setup);
	return drawRehearsal(setup, forecaster, problem, sample);
};

describe('a sample of the work', () => {
	it('asks what the run asks, with other lengths and answers', () => {
		const { queries, truth } = draw(tiny);
		expect(queries.map(({ slots }) => slots)).toEqual(tiny.queries.map(({ slots }) => slots));
		const lengths = (of: Setup['queries'], from: Setup['truth']): readonly number[] =>
			of.flatMap(({ id, slots }) => slots.map((_, slot) => from.call(expertCallId(id, slot)).outputTokens));
		const drawn = lengths(queries, truth);
		expect(drawn).not.toEqual(lengths(tiny.queries, tiny.truth));
		expect(new Set(drawn).size).toBeGreaterThan(20);
		const again = draw(tiny);
		expect(lengths(again.queries, again.truth)).toEqual(drawn);
		const other = draw(tiny, 1);
		expect(lengths(other.queries, other.truth)).not.toEqual(drawn);
	});

	it('takes its answers from past queries that asked the same experts', () => {
		const calls = ['a', 'b'].map((model) => ({ model, outputTokens: 10 }));
		const small = smallSetup({ queries: [{ calls }, { calls: calls.toReversed() }, { calls }] });
		const past = (slots: readonly string[], answers: readonly string[]): PastQuery => ({
			task: 'test',
			slots: slots as PastQuery['slots'],
			slotPromptTokens: [1, 1],
			answers,
			outputTokens: [1, 1],
			correctAnswer: 'A',
			aggregator: null,
		});
		const queries = () => [past(['a', 'b'], ['X', 'Y']), past(['b', 'a'], ['P', 'Q'])];
		const { truth, queries: drawn } = draw({ ...small, calibration: { source: 'past', queries } });
		const said = drawn.map(({ id }) => [0, 1].map((slot) => truth.call(expertCallId(id, slot)).answer));
		expect(said).toEqual([
			['X', 'Y'],
			['P', 'Q'],
			['X', 'Y'],
		]);
		// Without a past nobody agrees, so that all is aggregated.
		const blank = draw(small);
		const first = [0, 1].map(
			(slot) => blank.truth.call(expertCallId(blank.queries[0]?.id as never, slot)).answer,
		);
		expect(new Set(first).size).toBe(2);
	});

	it('draws a length where the past query had its own, so that what goes together stays together', () => {
		const past = tiny.calibration.queries();
		const tokensOf = (model: string): readonly number[] =>
			past.flatMap(({ slots, outputTokens }) =>
				slots.flatMap((slot, index) => ((slot as string) === model ? [outputTokens[index] ?? 0] : [])),
			);
		const middle = new Map(
			tiny.models.map(({ id }) => [
				id as string,
				tokensOf(id).toSorted((a, b) => a - b)[tokensOf(id).length >> 1],
			]),
		);
		const marked = past.map((query) => ({
			...query,
			answers: query.slots.map((model, slot) =>
				(query.outputTokens[slot] ?? 0) < (middle.get(model) ?? 0) ? 'short' : 'long',
			),
		}));
		const { queries, truth } = draw({ ...tiny, calibration: { source: 'marked', queries: () => marked } });
		for (const { id } of tiny.models) {
			const drawn = queries.flatMap((query) =>
				query.slots.flatMap((model, slot) =>
					model === id ? [truth.call(expertCallId(query.id, slot))] : [],
				),
			);
			const tokens = (which: string): readonly number[] =>
				drawn.filter(({ answer }) => answer === which).map(({ outputTokens }) => outputTokens);
			expect(Math.min(tokens('short').length, tokens('long').length)).toBeGreaterThan(0);
			expect(Math.max(...tokens('short'))).toBeLessThanOrEqual(Math.min(...tokens('long')));
		}
	});

	it('has the queries to come, as many and as often as expected', () => {
		const queries = Array.from({ length: 400 }, (_, index) => ({
			calls: [{ model: index % 4 === 0 ? 'a' : 'b', outputTokens: 5 }],
			arrivalUs: index === 0 ? 0 : 1_000_000 + index,
		}));
		const setup = smallSetup({ queries });
		const { demand } = setup;
		const { queries: drawn } = draw({ ...setup, demand: demand && { ...demand, queriesPerSecond: 2 } });
		expect(drawn).toHaveLength(400);
		expect(drawn[0]?.arrivalUs).toBe(0);
		const lastSeconds = (drawn.at(-1)?.arrivalUs ?? 0) / 1e6;
		expect(lastSeconds).toBeGreaterThan(160);
		expect(lastSeconds).toBeLessThan(240);
		const asked = drawn.filter(({ slots }) => (slots[0] as string) === 'a').length;
		// That of the first query, and a quarter of the 399 others, rounded.
		expect(asked).toBe(101);
		expect(drawn.map(({ arrivalUs }) => arrivalUs)).toEqual(
			drawn.map(({ arrivalUs }) => arrivalUs).toSorted((a, b) => a - b),
		);
	});
});

describe('a rehearsal', () => {
	it('gives the same seconds for the same sample, and tells good from bad', async () => {
		const { forecaster, problem } = planning(tiny);
		const seconds = async (scheduler: ReturnType<typeof createGreedy>, sample: number): Promise<number> =>
			(await forecaster.rehearse?.(scheduler, problem, sample))?.seconds ?? 0;
		const greedy = await seconds(createGreedy(), 0);
		expect(greedy).toBeGreaterThan(3);
		expect(await seconds(createGreedy(), 0)).toBe(greedy);
		expect(await seconds(createGreedy(), 1)).not.toBe(greedy);
		expect(await seconds(createWorst(), 0)).toBeGreaterThan(1.5 * greedy);
	});

	it('asks the gate of the run and tells it nothing', async () => {
		const heard: unknown[] = [];
		let asked = 0;
		const own = createGate('never');
		const gate: typeof own = {
			...own,
			decide(answers, query) {
				asked++;
				const decision = own.decide(answers, query);
				return decision.verdict === 'aggregate' ? { ...decision, audit: true } : decision;
			},
			observe: (...about) => void heard.push(about),
		};
		const forecaster = planningForecaster(tiny, gate);
		const problem = createProblem(tiny, createGate('never'), forecaster);
		await forecaster.rehearse?.(createGreedy(), problem, 0);
		expect(asked).toBeGreaterThan(12);
		expect(heard).toEqual([]);
	});

	it('ends when it is told to', async () => {
		const gate = createGate(tiny.gate);
		const forecaster = planningForecaster(tiny, gate, AbortSignal.abort(new Error('enough')));
		const problem = createProblem(tiny, gate, forecaster);
		await expect(forecaster.rehearse?.(createGreedy(), problem, 0)).rejects.toThrow('enough');
	});
});
