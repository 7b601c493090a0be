import { describe, expect, it } from 'vitest';
import { createGate, gateNames } from '../../sim/aggregate/gates.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { queryId } from '../../sim/domain/ids.ts';

const QUERY = { id: queryId('q0'), task: 't', arrivalUs: 0, slots: [], slotPromptTokens: [] };

describe('gates', () => {
	it.each([
		['never', ['A', 'A', 'A'], 'aggregate'],
		['unanimous', ['A', 'A', 'A'], 'accept'],
		['unanimous', ['A', 'A', 'B'], 'aggregate'],
		['unanimous', ['A', 'A', null], 'aggregate'],
		['unanimous', [null, null, null], 'aggregate'],
		['majority', ['A', 'A', 'A'], 'accept'],
		['majority', ['B', 'A', 'B'], 'accept'],
		['majority', ['B', 'B', null], 'accept'],
		['majority', ['A', 'B', 'C'], 'aggregate'],
		['majority', ['A', null, null], 'aggregate'],
		['majority', [null, null, null], 'aggregate'],
		['majority', ['A', 'A', 'B', 'B'], 'aggregate'],
		['majority', ['A', 'A', 'A', 'B', 'B', 'B'], 'aggregate'],
	] as const)('%s on %j says %s', (name, answers, verdict) => {
		expect(createGate(name).decide(answers, QUERY).verdict).toBe(verdict);
	});

	it('meets two thirds exactly for every number of slots, where floating point would not', () => {
		for (let slots = 1; slots <= 300; slots++) {
			const needed = Math.ceil((2 * slots) / 3 - 1e-12);
			const answers = (agreeing: number): string[] =>
				Array.from({ length: slots }, (_, i) => (i < agreeing ? 'A' : `other${i}`));
			expect(createGate('majority').decide(answers(needed), QUERY).verdict).toBe('accept');
			if (needed > 1)
				expect(createGate('majority').decide(answers(needed - 1), QUERY).verdict).toBe('aggregate');
		}
	});

	it('stays open while an answer is missing, and then answers with the plurality', () => {
		for (const name of gateNames) {
			const missing = name === 'pair' ? ['A', undefined, 'B'] : ['A', undefined, 'A'];
			expect(createGate(name).decide(missing, QUERY)).toEqual({
				verdict: 'open',
				answer: null,
			});
			expect(createGate(name).decide(['A', 'B', 'A'], QUERY).answer).toBe('A');
		}
	});

	it('foresees a vote exactly when every completion is accepted with the same answer', () => {
		const options = ['A', 'B', 'C', null, undefined] as const;
		const ends = ['A', 'B', 'C', null] as const;
		for (const name of gateNames) {
			const gate = createGate(name);
			for (const first of options)
				for (const second of options)
					for (const third of options) {
						const answers = [first, second, third];
						const completions = answers.reduce<(string | null)[][]>(
							(lists, answer) =>
								lists.flatMap((list) =>
									(answer === undefined ? ends : [answer]).map((end) => [...list, end]),
								),
							[[]],
						);
						const decisions = completions.map((completion) => gate.decide(completion, QUERY));
						const same = decisions.every(
							({ verdict, answer }) => verdict === 'accept' && answer === decisions[0]?.answer,
						);
						const expected = same && answers.includes(undefined) ? decisions[0]?.answer : undefined;
						expect(gate.foresee(answers, QUERY)).toBe(expected);
					}
		}
	});

	it('pair accepts when the first two agree, and asks the aggregator when they did not', () => {
		const { decide, foresee } = createGate('pair');
		expect(decide(['A', undefined, undefined], QUERY).verdict).toBe('open');
		expect(decide([undefined, 'A', 'A'], QUERY)).toEqual({ verdict: 'accept', answer: 'A' });
		expect(decide([null, null, undefined], QUERY).verdict).toBe('open');
		expect(decide([undefined, 'A', 'B'], QUERY).verdict).toBe('open');
		expect(decide(['A', 'A', 'B'], QUERY).verdict).toBe('aggregate');
		expect(decide(['A', 'A', 'A'], QUERY)).toEqual({ verdict: 'accept', answer: 'A' });
		expect(foresee(['A', 'A', undefined], QUERY)).toBeUndefined();
	});

	it('refuses an unknown name', () => {
		expect(() => createGate('majorty')).toThrow(UsageError);
		expect(() => createGate('majorty')).toThrow(/never, unanimous, majority.*majorty/);
	});
});
