import { describe, expect, it } from 'vitest';
import { NO_CUTS, type PastTerms } from '../../sim/aggregate/past-row.ts';
import { PastTable } from '../../sim/aggregate/past-table.ts';
import { VoteCases } from '../../sim/aggregate/vote-cases.ts';
import { modelId } from '../../sim/domain/ids.ts';

const model = modelId('thinker');
const past = [10, 40, 20, 30].map((tokens, index) => ({
	task: 't',
	slots: [model, model],
	slotPromptTokens: [0, 0],
	answers: ['A', index < 2 ? 'A' : 'B'],
	outputTokens: [tokens, 5],
	correctAnswer: 'A',
	aggregator: { promptTokens: 0, outputTokens: 100, answer: () => 'A' },
}));

/** A token takes 1 us of GPU time among others, and 3 us alone. Votes stand where both agree. */
const table = (queries: number, gpus = 4): PastTable => {
	const terms: PastTerms = {
		classOf: () => 'reasoning',
		work: () => ({ perTokenUs: 1, perContextTokenUs: 0, perPromptTokenUs: 0, aloneTokenUs: 3 }),
		aggregator: model,
		answerWhenCut: () => 'A',
		score: ({ pattern }) => (pattern === '2' ? 0 : 1),
		isLoss: false,
		either: () => false,
		cases: new VoteCases(),
		run: { queries, gpus },
	};
	return new PastTable(past, terms, () => false);
};

describe('the GPU time of past queries', () => {
	it('is that of all their calls', () => {
		const work = 10 + 40 + 20 + 30 + 4 * 5;
		expect(table(0).outcome(NO_CUTS, -1).gpuUs).toBe(work + 4 * 100);
		expect(table(0).outcome(NO_CUTS, 0).gpuUs).toBe(work + 2 * 100);
		expect(table(0).outcome({ ...NO_CUTS, aggregator: 60 }, 0).gpuUs).toBe(work + 2 * 60);
	});

	it('and that of all GPUs while the longest chains of runs of so many queries are alone', () => {
		const waiting = (queries: number, threshold: number, cuts = NO_CUTS): number =>
			table(queries).outcome(cuts, threshold).gpuUs - table(0).outcome(cuts, threshold).gpuUs;
		// Two runs: of the four chains the two longest, on four GPUs each.
		expect(waiting(2, -1)).toBe(2 * 4 * 3 * (100 + (40 + 30) / 2));
		// The votes of the first two stand.
		expect(waiting(2, 0)).toBe(2 * 4 * 3 * (100 + (30 + 20) / 2));
		expect(waiting(1, -1)).toBe(4 * 4 * 3 * (100 + 25));
		expect(waiting(2, -1, { ...NO_CUTS, reasoning: 25, aggregator: 50 })).toBe(2 * 4 * 3 * (50 + 25));
	});
});
