import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/gates.ts';
import { createSetupGate } from '../../sim/aggregate/index.ts';
import { splitPast } from '../../sim/aggregate/split-past.ts';
import { queryId } from '../../sim/domain/ids.ts';
import type { Answer, Gate, Query } from '../../sim/domain/work.ts';
import { loadExperiment } from '../../traces/index.ts';
import { sumPast } from '../support/past-run.ts';
import { AGGREGATOR, contextOn, drawPast, experts, type PastWorld } from '../support/past-world.ts';

/** Votes of all are safe, split ones are not; long thoughts are mostly wrong. */
const WORLD: PastWorld = {
	unanimous: { better: 0.01, worse: 0.012 },
	split: { better: 0.1, worse: 0.05 },
	longRight: 0.02,
};

const slots = experts.map(({ id }) => id);
const query = (id = 'q0'): Query => ({
	id: queryId(id),
	task: 't',
	arrivalUs: 0,
	slots,
	slotPromptTokens: [1, 1, 1],
});

describe('a gate with a budget', () => {
	it.each(['calibrated', 'unanimous'])('%s skips and cuts within its budget', (name) => {
		const gate = createGate(name, contextOn(drawPast(WORLD, 12_000, 1), {}, true));
		const evidence = gate.evidence?.();
		expect(evidence).toMatchObject({ learned: 3000, tested: 9000, lossBoundPoints: 1, note: null });
		expect(evidence?.skippedShare).toBeGreaterThan(0.45);
		if (name === 'unanimous') expect(evidence?.cutTokens.reasoning).toBeLessThan(28_000);
		const { lossPoints, errorPoints } = sumPast(gate, drawPast(WORLD, 40_000, 2));
		expect(lossPoints).toBeLessThan(1 + errorPoints);
	});

	it.each([
		['calibrated', false],
		['calibrated', true],
		['unanimous', true],
		['majority', true],
		['never', true],
	])('%s says of the tested queries what they really cost (cuts: %s)', (name, cuts) => {
		const past = drawPast({ ...WORLD, split: { better: 0.03, worse: 0.05 } }, 8000, 3);
		const gate = createGate(name, contextOn(past, {}, cuts));
		const real = sumPast(gate, splitPast(past).tested);
		const evidence = gate.evidence?.();
		expect(evidence?.lossBoundPoints).toBe(1);
		expect(evidence?.lossPoints).toBeCloseTo(real.lossPoints, 9);
		expect(evidence?.skippedShare).toBeCloseTo(real.votedShare, 9);
	});

	it('counts of pair, whose order nobody knows, the worse of vote and aggregator', () => {
		const past = drawPast({ ...WORLD, split: { better: 0.01, worse: 0.03 } }, 8000, 4);
		const gate = createGate('pair', contextOn(past, { budgetPoints: 10 }, true));
		const stated = gate.evidence?.().lossPoints;
		for (const first of ['shortest', 'longest'] as const) {
			const real = sumPast(gate, splitPast(past).tested, { first });
			expect(stated).toBeGreaterThanOrEqual(real.lossPoints);
			expect(real.votedShare).toBeLessThan(0.85);
		}
	});

	it('cuts nothing where the gate alone costs more than the budget', () => {
		const past = drawPast({ ...WORLD, split: { better: 0.2, worse: 0 } }, 8000, 5);
		const gate = createGate('majority', contextOn(past, {}, true));
		expect(gate.evidence?.()).toMatchObject({
			lossBoundPoints: null,
			cutTokens: { reasoning: null, instruct: null, aggregator: null },
			note: 'majority alone was not shown to cost less than 1 points at 90 % confidence on 8000 made-up past queries',
		});
		expect(gate.decide(['A', 'A', 'B'], query()).verdict).toBe('accept');
		expect(gate.cutTokens({ model: AGGREGATOR, task: 't', role: 'aggregator' })).toBe(
			Number.POSITIVE_INFINITY,
		);
	});

	it('spends nothing with too few past queries, and says how many would do', () => {
		const gate = createGate('calibrated', contextOn(drawPast(WORLD, 350, 6), { budgetPoints: 0.1 }, true));
		expect(gate.evidence?.()).toMatchObject({
			skippedShare: 0,
			lossBoundPoints: 0,
			queriesNeeded: 3070,
			note: '350 made-up past queries (262 to test on, 88 to learn from) are too few to promise 0.1 points at 90 % confidence: without gains no fewer than 3070 would do',
		});
		expect(gate.decide(['A', 'A', 'A'], query()).verdict).toBe('aggregate');
		const none = createGate('calibrated', contextOn([], { budgetPoints: 0.1 }, true));
		expect(none.decide(['A', 'A', 'A'], query()).verdict).toBe('aggregate');
		expect(none.evidence?.()).toMatchObject({ tested: 0, queriesNeeded: 3070 });
	});

	it('skips where hardly anything differed in what it learned from', () => {
		const world = {
			unanimous: { better: 0.002, worse: 0.002 },
			split: { better: 0.05, worse: 0.03 },
			longRight: 0.02,
		};
		const skipped = [1, 2, 3, 4, 5, 6].map((seed) => {
			const gate = createGate('calibrated', contextOn(drawPast(world, 400, seed)));
			return gate.evidence?.().skippedShare ?? 0;
		});
		expect(Math.max(...skipped)).toBeGreaterThan(0.4);
	});

	it('skips the same on records, where nobody knows what the aggregator would have said to other answers', () => {
		const past = drawPast(WORLD, 8000, 10);
		const recorded = past.map((each) => {
			const { answers, aggregator } = each;
			if (aggregator === null) return each;
			const said = aggregator.answer(answers);
			const answer = (given: readonly Answer[]): Answer =>
				given.every((one, slot) => one === answers[slot]) ? said : null;
			return { ...each, aggregator: { ...aggregator, answer } };
		});
		const evidenceOn = (queries: typeof past, takesCuts: boolean) =>
			createGate('calibrated', contextOn(queries, {}, takesCuts)).evidence?.();
		expect(evidenceOn(recorded, false)).toEqual(evidenceOn(past, false));
		expect(evidenceOn(recorded, true)?.skippedShare).toBeGreaterThan(0.4);
	});

	it('spends nothing without an aggregator', () => {
		const gate = createGate('calibrated', {
			...contextOn(drawPast(WORLD, 5000, 7), {}, true),
			aggregator: null,
		});
		expect(gate.evidence?.()).toMatchObject({
			lossBoundPoints: 0,
			note: 'no aggregator to skip or to compare with',
		});
	});

	it.each(['unanimous', 'majority', 'pair'])(
		'promises nothing for %s without a past: its votes stand all the same',
		(name) => {
			expect(createGate(name, contextOn([], {}, true)).evidence?.().lossBoundPoints).toBeNull();
			expect(createGate('never', contextOn([], {}, true)).evidence?.().lossBoundPoints).toBe(0);
		},
	);

	it('weighs the longest calls of a batch, not those of queries that arrive over time', () => {
		const batch = loadExperiment('gpqa', { seed: 20, sets: ['gate.name=calibrated'] });
		const cuts = (setup: Parameters<typeof createSetupGate>[0]) =>
			createSetupGate(setup, true).evidence?.().cutTokens;
		const stream = { ...batch, demand: { queriesPerSecond: 1, callsPerQuery: [] } };
		expect(cuts(stream)).toEqual(cuts({ ...batch, queries: [] }));
		expect(cuts(stream)).not.toEqual(cuts(batch));
	});

	it('cuts only what scheduler, options and records allow', () => {
		const past = drawPast(WORLD, 12_000, 1);
		const tokens = (gate: Gate, model = slots[0] as (typeof slots)[number]): number =>
			gate.cutTokens({ model, task: 't', role: 'expert' });
		expect(tokens(createGate('never', contextOn(past, {}, true)))).toBeLessThan(28_000);
		expect(tokens(createGate('never', contextOn(past, {}, false)))).toBe(Number.POSITIVE_INFINITY);
		expect(tokens(createGate('never', contextOn(past, { cuts: false }, true)))).toBe(
			Number.POSITIVE_INFINITY,
		);
		const strange = { id: 'new' as (typeof slots)[number], modelClass: 'reasoning' as const };
		const context = contextOn(past, {}, true);
		const withStrange = { ...context, models: [...context.models, strange] };
		expect(tokens(createGate('never', withStrange), strange.id)).toBe(Number.POSITIVE_INFINITY);
		// Nor do votes stand of which it has not seen the like.
		const gate = createGate('calibrated', withStrange);
		const odd = { ...query(), slots: [strange.id, ...slots.slice(1)] };
		expect(gate.decide(['A', 'A', 'A'], query()).verdict).toBe('accept');
		expect(gate.decide(['A', 'A', 'A'], odd).verdict).toBe('aggregate');
		const bold = createGate('calibrated', {
			...withStrange,
			options: { ...context.options, budgetPoints: 9 },
		});
		expect(bold.foresee(['A', 'A', undefined], query())).toBe('A');
		expect(bold.foresee(['A', 'A', undefined], odd)).toBeUndefined();
	});

	it('answers for a cut aggregator with the plurality, else with the expert that was right most often', () => {
		const gate = createGate('calibrated', contextOn(drawPast(WORLD, 5000, 8), {}, true));
		expect(gate.answerWhenCut(['A', 'B', 'B'], query())).toBe('B');
		// In scattered votes of this world only the first is ever right.
		expect(gate.answerWhenCut(['A', 'B', 'C'], query())).toBe('A');
		expect(gate.answerWhenCut([null, null, 'C'], query())).toBe('C');
		expect(gate.answerWhenCut([null, null, null], query())).toBeNull();
	});

	it.each([0.1, 1, 8])(
		'foresees at a budget of %s points exactly what every completion accepts',
		(budgetPoints) => {
			const gate = createGate('calibrated', contextOn(drawPast(WORLD, 8000, 9), { budgetPoints }));
			const some: readonly (Answer | undefined)[] = ['A', 'B', 'C', null, undefined];
			const ends: readonly Answer[] = ['A', 'B', 'C', 'D', null];
			for (const first of some)
				for (const second of some)
					for (const third of some) {
						const answers = [first, second, third];
						const decisions = answers
							.reduce<Answer[][]>(
								(lists, answer) =>
									lists.flatMap((list) =>
										(answer === undefined ? ends : [answer]).map((end) => [...list, end]),
									),
								[[]],
							)
							.map((full) => gate.decide(full, query()));
						const [one] = decisions;
						const same = decisions.every(
							({ verdict, answer }) => verdict === 'accept' && answer === one?.answer,
						);
						const expected = same && answers.includes(undefined) ? one?.answer : undefined;
						expect(gate.foresee(answers, query())).toBe(expected);
					}
		},
	);
});
