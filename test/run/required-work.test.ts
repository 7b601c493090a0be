import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { present } from '../../sim/domain/errors.ts';
import { aggregatorCallId, expertCallId, queryId } from '../../sim/domain/ids.ts';
import type { RequiredWork, Way } from '../../sim/domain/required-work.ts';
import type { EndRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Answer, Gate } from '../../sim/domain/work.ts';
import { observedWork, requiredWork, withOwnWays } from '../../sim/run/required-work.ts';
import { type SmallCall, type SmallQuery, type SmallSetup, smallSetup } from '../support/setup-builder.ts';

const Q0 = queryId('q0');

/** `[answer, tokens]` of each slot. */
const query = (...calls: readonly (readonly [Answer, number])[]): SmallQuery => ({
	calls: calls.map(([answer, outputTokens]): SmallCall => ({ model: 'a', answer, outputTokens })),
	aggregatorOutputTokens: 30,
});

const cutting = (gate: Gate, expertTokens: number, aggregatorTokens: number): Gate => ({
	...gate,
	cutTokens: ({ role }) => (role === 'expert' ? expertTokens : aggregatorTokens),
});

const waysOf = (setup: Setup, gate: Gate, takesCuts: boolean): readonly Way[] =>
	present(requiredWork(setup, gate, takesCuts)[0], 'work of the query').ways;

/** A way as text: slots and `agg`, with their tokens. */
const text = (way: Way): string =>
	way
		.map(({ call, outputTokens }) => `${call.slice(call.indexOf('/') + 1)}:${outputTokens}`)
		.toSorted()
		.join(' ');

const required = (
	small: SmallQuery,
	gateName: string,
	cuts?: readonly [expert: number, aggregator: number],
	more: Partial<SmallSetup> = {},
): readonly string[] => {
	const gate = createGate(gateName);
	const setup = smallSetup({ queries: [small], ...more });
	return waysOf(setup, cuts === undefined ? gate : cutting(gate, ...cuts), cuts !== undefined)
		.map(text)
		.toSorted();
};

describe('required work', () => {
	it.each([
		['never', ['0:10 1:20 2:40 agg:30']],
		['unanimous', ['0:10 1:20 2:40 agg:30']],
		['majority', ['0:10 2:40']],
		['pair', ['0:10 2:40']],
	])('of a split vote under %s', (gate, ways) => {
		expect(required(query(['A', 10], ['B', 20], ['A', 40]), gate)).toEqual(ways);
	});

	it.each([
		['never', ['0:10 1:20 2:40 agg:30']],
		['unanimous', ['0:10 1:20 2:40']],
		['majority', ['0:10 1:20', '0:10 2:40', '1:20 2:40']],
		['pair', ['0:10 1:20', '0:10 2:40', '1:20 2:40']],
	])('of a unanimous vote under %s', (gate, ways) => {
		expect(required(query(['A', 10], ['A', 20], ['A', 40]), gate)).toEqual(ways);
	});

	it('has no aggregator call where there is no aggregator', () => {
		const split = query(['A', 10], ['B', 20], ['C', 40]);
		expect(required(split, 'majority', undefined, { aggregator: null })).toEqual(['0:10 1:20 2:40']);
	});

	it('lets a call be cut, or not, where the gate cuts and the scheduler takes it', () => {
		const split = query(['A', 10], ['B', 20], ['A', 400]);
		expect(required(split, 'majority', [100, 25])).toEqual(['0:10 1:20 2:100 agg:25', '0:10 2:400']);
		expect(required(split, 'majority', [400, 25])).toEqual(['0:10 2:400']);
		expect(required(split, 'majority', [401, 25])).toEqual(['0:10 2:400']);
		const gate = cutting(createGate('majority'), 100, 25);
		expect(waysOf(smallSetup({ queries: [split] }), gate, false).map(text)).toEqual(['0:10 2:400']);
	});

	it('ends a call where its own limit or its context does', () => {
		const long = query(['A', 5000], ['A', 5000]);
		const [way] = required(long, 'never', undefined, { engine: { maxModelLen: 300, numGpuBlocks: 40 } });
		// 300 tokens of context; what is not said is what the prompts take.
		expect(way).toMatch(/^0:2\d\d 1:2\d\d agg:30$/);
	});

	it('is what every order of ends comes to', async () => {
		let compared = 0;
		const answers = fc.constantFrom<Answer>('A', 'B', null);
		const calls = fc.array(fc.tuple(answers, fc.integer({ min: 1, max: 60 })), {
			minLength: 1,
			maxLength: 4,
		});
		const gates = fc.constantFrom('never', 'unanimous', 'majority', 'pair');
		fc.assert(
			fc.property(calls, gates, fc.option(fc.integer({ min: 5, max: 60 })), (slots, gateName, cut) => {
				const small = query(...slots);
				const cuts = [cut ?? Number.POSITIVE_INFINITY, 20] as const;
				const gate = cutting(createGate(gateName), ...cuts);
				const all = endsInAnyOrder(slots, gate, cut ?? Number.POSITIVE_INFINITY);
				const least = all.filter((one) => !all.some((other) => other !== one && undercuts(other, one)));
				expect(required(small, gateName, cuts)).toEqual([...new Set(least.map(joined))].toSorted());
				compared++;
			}),
			{ seed: 61, numRuns: 300 },
		);
		expect(compared).toBe(300);
	});

	it('asks nothing of a query with more slots than can be tried', () => {
		const wide = query(...Array.from({ length: 20 }, (): [Answer, number] => ['A', 10]));
		expect(required(wide, 'majority')).toEqual(['']);
	});
});

describe('the ways of a run itself', () => {
	const setup = smallSetup({ queries: [query(['A', 10], ['A', 20], ['B', 40])] });
	const work = requiredWork(setup, createGate('majority'), false);
	const finished = (slot: number, outputTokens: number): EndRecord =>
		({
			type: 'call-finished',
			call: slot < 0 ? aggregatorCallId(Q0) : expertCallId(Q0, slot),
			query: Q0,
			role: slot < 0 ? 'aggregator' : 'expert',
			model: 'a',
			promptTokens: present(setup.queries[0]?.slotPromptTokens[0], 'prompt'),
			outputTokens,
			answer: 'A',
		}) as EndRecord;
	const settled = { type: 'query-settled', query: Q0 } as EndRecord;
	const texts = (all: readonly RequiredWork[]): readonly string[] =>
		all.flatMap(({ ways }) => ways.map(text)).toSorted();

	it('add nothing where it went one of the others', () => {
		expect(withOwnWays(work, [finished(0, 10), finished(1, 20), settled, finished(2, 40)])).toEqual(work);
	});

	it('are added where it gave up a call that mattered, with what had ended by then', () => {
		expect(texts(withOwnWays(work, [finished(0, 10), settled, finished(1, 20)]))).toEqual(['0:10']);
		expect(texts(withOwnWays(work, [finished(2, 40), settled]))).toEqual(['0:10 1:20', '2:40']);
		expect(texts(withOwnWays(work, [finished(0, 9), finished(1, 20), settled]))).toEqual(['0:9 1:20']);
	});

	it('are all that is known where nobody knows the truth', () => {
		const gate = createGate('majority');
		const all = [finished(0, 10), finished(1, 20), finished(2, 40), settled];
		expect(texts(observedWork(setup.queries, gate, all) ?? [])).toEqual([
			'0:10 1:20',
			'0:10 2:40',
			'1:20 2:40',
		]);
		expect(observedWork(setup.queries, gate, all.slice(1))).toBeNull();
		const never = observedWork(setup.queries, createGate('never'), [...all, finished(-1, 30)]);
		expect(texts(never ?? [])).toEqual(['0:10 1:20 2:40 agg:30']);
	});
});

type Ends = ReadonlyMap<string, number>;

const joined = (ends: Ends): string =>
	[...ends]
		.map(([call, tokens]) => `${call}:${tokens}`)
		.toSorted()
		.join(' ');

const undercuts = (some: Ends, all: Ends): boolean =>
	joined(some) !== joined(all) && [...some].every(([call, tokens]) => (all.get(call) ?? 0) >= tokens);

/** Lets the slots end one after the other in every order, cut or not, asking the gate at each end as the controller does. */
function endsInAnyOrder(slots: readonly (readonly [Answer, number])[], gate: Gate, cut: number): Ends[] {
	const { queries } = smallSetup({ queries: [query(...slots)] });
	const asked = present(queries[0], 'query');
	const found: Ends[] = [];
	const go = (answers: readonly (Answer | undefined)[], ends: Ends): void => {
		const { verdict } = gate.decide(answers, asked);
		if (verdict === 'accept' || (verdict === 'open' && gate.foresee(answers, asked) !== undefined))
			found.push(ends);
		if (verdict === 'aggregate') found.push(new Map([...ends, ['agg', 20]]));
		if (verdict !== 'open') return;
		slots.forEach(([answer, tokens], slot) => {
			if (answers[slot] !== undefined) return;
			go(answers.with(slot, answer), new Map([...ends, [String(slot), tokens]]));
			if (tokens >= cut) go(answers.with(slot, null), new Map([...ends, [String(slot), cut]]));
		});
	};
	go(
		slots.map(() => undefined),
		new Map(),
	);
	return found;
}
