import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { normalQuantile } from '../../../sim/domain/distribution.ts';
import { aggregatorCallId, expertCallId, modelId, queryId } from '../../../sim/domain/ids.ts';
import type { QueryView, SlotView } from '../../../sim/domain/scheduler.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { type LengthTable, residual } from '../../../solver/adaptive/lengths.ts';
import { Prediction, type PredictionInput } from '../../../solver/adaptive/prediction.ts';

const CORRELATION = 0.6;
const query = queryId('q');
const model = modelId('m');

/** Lengths with a tail: 100 tokens in the middle, a tenth of that and ten times that at both ends of the table. */
const lengths: LengthTable = Array.from({ length: 128 }, (_, i) =>
	Math.round(100 * Math.exp(0.9 * normalQuantile((i + 0.5) / 128))),
);
const mean = (table: LengthTable): number => residual(table, 0).tokens;
const call = (role: Call['role']): Call =>
	({
		id: role === 'expert' ? expertCallId(query, 2) : aggregatorCallId(query),
		query,
		role,
		model,
	}) as unknown as Call;

/** A query of which these calls have ended. */
function having(
	...ended: readonly (Partial<SlotView> & { readonly outputTokens: number })[]
): PredictionInput {
	const slots = ended.map((slot) => ({ model, state: 'finished', answer: 'A', ...slot }));
	return {
		answersOf: () => slots.length,
		query: () => ({ slots }) as unknown as QueryView,
		lengths: () => lengths,
	};
}

const told = (input: PredictionInput, role: Call['role'] = 'expert'): LengthTable =>
	new Prediction(CORRELATION).lengths(input, call(role));

describe('prediction of lengths', () => {
	it('takes a call for one of its model while nothing of its query has ended', () => {
		expect(told(having())).toBe(lengths);
	});

	it('expects as much as calls generate whose scores are jointly normal', () => {
		const random = randomStream(1, 'copula');
		const draw = () => normalQuantile(random());
		const tokensOf = (score: number) => 100 * Math.exp(0.9 * score);
		const groups = new Map<string, { readonly actual: number[]; readonly expected: number[] }>();
		for (let i = 0; i < 40_000; i++) {
			const shared = Math.sqrt(CORRELATION) * draw();
			const own = () => tokensOf(shared + Math.sqrt(1 - CORRELATION) * draw());
			const seen = Array.from({ length: 1 + (i % 3) }, () => ({ outputTokens: Math.round(own()) }));
			const expected = mean(told(having(...seen)));
			const key = `${seen.length} ${Math.round(4 * Math.log(expected))}`;
			const group = groups.get(key) ?? { actual: [], expected: [] };
			groups.set(key, group);
			group.actual.push(own());
			group.expected.push(expected);
		}
		const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
		const large = [...groups.values()].filter(({ actual }) => actual.length > 1000);
		const means = large.map(({ expected }) => average(expected));
		expect(Math.max(...means) / Math.min(...means)).toBeGreaterThan(2.5);
		for (const { actual, expected } of large) expect(average(actual) / average(expected)).toBeCloseTo(1, 0.8);
	});

	it('does not learn from calls that failed or were given up', () => {
		expect(told(having({ outputTokens: 5000, state: 'cancelled' }))).toBe(lengths);
		expect(told(having({ outputTokens: 5000, state: 'failed' }))).toBe(lengths);
		expect(mean(told(having({ outputTokens: 5000 })))).toBeGreaterThan(2 * mean(lengths));
	});

	it('takes the middle of equal lengths, as at a limit', () => {
		const cut = lengths.map((tokens) => Math.min(tokens, 100));
		const input = { ...having({ outputTokens: 100 }), lengths: () => cut };
		// The upper half are all 100: their middle is the upper quartile.
		const quartile = { ...having({ outputTokens: lengths[96] ?? 0 }), lengths: () => lengths };
		const score = (of: PredictionInput): number => told(of).filter((tokens) => tokens >= 100).length;
		expect(score(input)).toBe(score(quartile));
	});

	it('changes with every further answer, and adds the reply to the chain of an expert call', () => {
		const prediction = new Prediction(CORRELATION);
		const one = having({ outputTokens: 20 });
		const two = having({ outputTokens: 20 }, { outputTokens: 900 });
		const short = mean(prediction.lengths(one, call('expert')));
		const longer = mean(prediction.lengths(two, call('expert')));
		expect(short).toBeLessThan(0.5 * mean(lengths));
		expect(longer).toBeGreaterThan(2 * short);
		expect(prediction.chainTokens(two, call('aggregator'), model)).toBeCloseTo(longer);
		expect(prediction.chainTokens(two, call('expert'), model)).toBeCloseTo(2 * longer);
		expect(prediction.chainTokens(two, call('expert'), null)).toBeCloseTo(longer);
	});
});
