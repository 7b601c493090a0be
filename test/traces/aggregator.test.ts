import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalQuantile } from '../../sim/domain/distribution.ts';
import { aggregatorAnswer, unanimousRight } from '../../traces/generate/aggregator.ts';
import { drawAnswers, optionLabel } from '../../traces/generate/answers.ts';
import type { TaskFile } from '../../traces/profile-schema.ts';
import { taskProfile } from '../../traces/read-profile.ts';

// MOSAIC, arXiv 2606.03014, as whole questions (agreement.json): buckets, aggregator right, aggregator less vote.
const published = [
	{ task: 'mmlu_pro', counts: [960, 817, 323], right: 1327, netUnanimous: -5, netSplit: 18 },
	{ task: 'medmcqa', counts: [1986, 1786, 411], right: 2497, netUnanimous: 2, netSplit: -15 },
	{ task: 'gpqa', counts: [74, 99, 25], right: 112, netUnanimous: -2, netSplit: 1 },
] as const;

interface Buckets {
	/** [share, share with the vote right, share with the aggregator right] of unanimous, split, scattered queries. */
	readonly unanimous: readonly [number, number, number];
	readonly split: readonly [number, number, number];
	readonly scattered: readonly [number, number, number];
}

/** Expectation over ease and answers by enumeration: every way three experts can answer, at 4001 quantiles of ease. */
function expected(task: TaskFile, overrideRate: number): Buckets {
	const { options, mu, s, lam } = task.answers;
	const table = task.aggregator;
	const unanimousChance = unanimousRight(table, overrideRate);
	const sums = { unanimous: [0, 0, 0], split: [0, 0, 0], scattered: [0, 0, 0] };
	const add = (bucket: keyof typeof sums, weight: number, voteRight: boolean, aggregatorRight: number) => {
		sums[bucket][0] = (sums[bucket][0] ?? 0) + weight;
		sums[bucket][1] = (sums[bucket][1] ?? 0) + (voteRight ? weight : 0);
		sums[bucket][2] = (sums[bucket][2] ?? 0) + weight * aggregatorRight;
	};
	const points = 4001;
	const others = options - 2;
	for (let i = 0; i < points; i++) {
		const p = 1 / (1 + Math.exp(-(mu + s * normalQuantile((i + 0.5) / points))));
		const w = 1 - p;
		// Wrong answers: the favoured one, or one of `others` alike ones.
		const same2 = lam ** 2 + (1 - lam) ** 2 / others;
		const same3 = lam ** 3 + (1 - lam) ** 3 / others ** 2;
		add('unanimous', p ** 3 / points, true, unanimousChance.ifVoteRight);
		add('unanimous', (w ** 3 * same3) / points, false, unanimousChance.ifVoteWrong);
		add('split', (3 * p * p * w) / points, true, table.rightIfPluralityRight);
		add('split', (3 * p * w * w * same2) / points, false, table.rightIfMinorityRight);
		add('split', (w ** 3 * 3 * (same2 - same3)) / points, false, table.rightIfNoneRightInSplit);
		add('scattered', (3 * p * w * w * (1 - same2)) / points, false, table.rightIfAnyRight);
		add(
			'scattered',
			(w ** 3 * (1 - 3 * same2 + 2 * same3)) / points,
			false,
			table.rightIfNoneRightInScattered,
		);
	}
	return sums as unknown as Buckets;
}

describe('aggregator tables', () => {
	it.each(published)('$task: meet the published whole-question counts in expectation', (row) => {
		const task = taskProfile(row.task) as TaskFile;
		const total = row.counts[0] + row.counts[1] + row.counts[2];
		const { unanimous, split, scattered } = expected(task, 0.02);
		[unanimous, split, scattered].forEach(([share], i) => {
			expect(Math.abs(share * total - (row.counts[i] ?? 0))).toBeLessThan(0.002 * total);
		});
		expect((unanimous[2] - unanimous[1]) * total).toBeCloseTo(row.netUnanimous, 0);
		expect((split[2] - split[1]) * total).toBeCloseTo(row.netSplit, 0);
		expect(Math.abs((unanimous[2] + split[2] + scattered[2]) * total - row.right)).toBeLessThan(
			0.002 * total,
		);
	});

	it('the override rate is what is overridden, and does not move the net gain', () => {
		const { aggregator: table } = taskProfile('mmlu_pro') as TaskFile;
		for (const rate of [0.02, 0.05]) {
			const { ifVoteRight, ifVoteWrong } = unanimousRight(table, rate);
			const accuracy = table.unanimousVoteAccuracy;
			const spoiled = accuracy * (1 - ifVoteRight);
			const won = (1 - accuracy) * ifVoteWrong;
			expect(spoiled + won).toBeCloseTo(rate, 10);
			expect(won - spoiled).toBeCloseTo(table.unanimousNetGain, 10);
		}
	});

	it('a rate too low for the net gain is raised to it', () => {
		const { aggregator: table } = taskProfile('gpqa') as TaskFile;
		const { ifVoteRight, ifVoteWrong } = unanimousRight(table, 0.005);
		expect(ifVoteWrong).toBeCloseTo(0, 10);
		expect(table.unanimousVoteAccuracy * (1 - ifVoteRight)).toBeCloseTo(-table.unanimousNetGain, 10);
	});
});

describe('one aggregator answer', () => {
	const table = {
		unanimousVoteAccuracy: 0.8,
		unanimousNetGain: 0,
		rightIfPluralityRight: 0.6,
		rightIfMinorityRight: 0.5,
		rightIfNoneRightInSplit: 0.4,
		rightIfAnyRight: 0.3,
		rightIfNoneRightInScattered: 0.2,
	};
	/** Right option A of four; the chance to be right is found by where the answer turns. */
	const chance = (answers: readonly (string | null)[]): number => {
		const right = (rightP: number) =>
			aggregatorAnswer(answers, 0, 4, table, 0.02, { length: 0, rightP, wrongP: 0.5 }) === 'A';
		let low = 0;
		let high = 1;
		for (let i = 0; i < 40; i++) {
			const middle = (low + high) / 2;
			if (right(middle)) low = middle;
			else high = middle;
		}
		return low;
	};

	it.each([
		[['A', 'A', 'A'], 1 - 0.01 / 0.8],
		[['B', 'B', 'B'], 0.01 / 0.2],
		[['A', 'A', 'B'], 0.6],
		[['A', 'A', null], 0.6],
		[['B', 'A', 'B'], 0.5],
		[['B', 'C', 'B'], 0.4],
		[['B', null, 'B'], 0.4],
		[['A', 'B', 'C'], 0.3],
		[['A', null, null], 0.3],
		[[null, 'B', 'A'], 0.3],
		[['D', 'B', 'C'], 0.2],
		[[null, null, 'C'], 0.2],
		[[null, null, null], 0.2],
	])('%j is answered right with chance %d', (answers, expectedChance) => {
		expect(chance(answers)).toBeCloseTo(expectedChance, 6);
	});

	it('when wrong takes the wrong answer with most votes, by draw among equals', () => {
		const wrong = (answers: readonly (string | null)[], wrongP: number) =>
			aggregatorAnswer(answers, 0, 4, table, 0.02, { length: 0, rightP: 0.999, wrongP });
		expect(wrong(['C', 'A', 'C'], 0)).toBe('C');
		expect(wrong(['A', 'A', 'D'], 0.7)).toBe('D');
		expect([0, 0.4, 0.99].map((p) => wrong(['D', 'B', 'C'], p))).toEqual(['D', 'B', 'C']);
		expect([0, 0.5, 0.99].map((p) => wrong(['A', 'A', 'A'], p))).toEqual(['B', 'C', 'D']);
	});

	it('is pure, never empty, and knows any number of slots', () => {
		const answer = fc.constantFrom('A', 'B', 'C', 'D', null);
		const draw = fc.record({
			length: fc.constant(0),
			rightP: fc.double({ min: 0, max: 0.999, noNaN: true }),
			wrongP: fc.double({ min: 0, max: 0.999, noNaN: true }),
		});
		fc.assert(
			fc.property(fc.array(answer, { minLength: 1, maxLength: 7 }), draw, (answers, draws) => {
				const reply = aggregatorAnswer(answers, 1, 4, table, 0.02, draws);
				expect(['A', 'B', 'C', 'D']).toContain(reply);
				expect(aggregatorAnswer(answers, 1, 4, table, 0.02, draws)).toBe(reply);
			}),
			{ seed: 2 },
		);
	});
});

describe('answers', () => {
	it('wrong ones favour one option with lam and share the rest evenly', () => {
		const eases = new Array<number>(20_000).fill(-50);
		const model = { options: 5, mu: 0, s: 1, lam: 0.6 };
		const queries = drawAnswers(3, eases, 2, model);
		const odd = queries.filter(({ correct, slots }) =>
			slots.some(({ option }) => option === correct || option > 4),
		);
		expect(odd).toEqual([]);
		const same = queries.filter(({ slots }) => slots[0]?.option === slots[1]?.option).length;
		expect(Math.abs(same / queries.length - (0.6 ** 2 + 0.4 ** 2 / 3))).toBeLessThan(0.015);
		const corrects = [0, 1, 2, 3, 4].map(
			(option) => queries.filter((query) => query.correct === option).length,
		);
		for (const count of corrects) expect(Math.abs(count / queries.length - 0.2)).toBeLessThan(0.015);
	});

	it('with two options the only wrong one is given', () => {
		for (const { correct, slots } of drawAnswers(3, new Array<number>(50).fill(-50), 3, {
			options: 2,
			mu: 0,
			s: 1,
			lam: 0,
		})) {
			for (const slot of slots) expect(slot.option).toBe(1 - correct);
		}
	});

	it('options have letters', () => {
		expect([0, 25, 26, 27, 701, 702].map(optionLabel)).toEqual(['A', 'Z', 'AA', 'AB', 'ZZ', 'AAA']);
	});
});
