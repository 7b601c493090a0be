import { describe, expect, it } from 'vitest';
import { PastRow } from '../../sim/aggregate/past-row.ts';
import { VoteCases } from '../../sim/aggregate/vote-cases.ts';
import { modelId } from '../../sim/domain/ids.ts';

describe('a past query', () => {
	it('tells cuts of different calls apart, of 64 slots too, and never cuts whom nobody knows', () => {
		const slots = Array.from({ length: 64 }, (_, slot) => modelId(slot === 5 ? 'strange' : 'thinker'));
		const row = new PastRow(
			{
				task: 't',
				slots,
				slotPromptTokens: slots.map(() => 1),
				answers: slots.map(() => 'A'),
				outputTokens: slots.map((_, slot) => (slot === 63 || slot === 5 ? 200 : slot === 0 ? 100 : 10)),
				correctAnswer: 'A',
				aggregator: { promptTokens: 1, outputTokens: 1, answer: () => 'A' },
			},
			{
				classOf: (model) => (model === 'strange' ? null : 'reasoning'),
				work: () => ({ perTokenUs: 1, perContextTokenUs: 0, perPromptTokenUs: 0, aloneTokenUs: 0 }),
				aggregator: modelId('thinker'),
				answerWhenCut: () => null,
				score: () => 0,
				isLoss: true,
				run: { queries: 0, gpus: 0 },
				either: () => false,
				cases: new VoteCases(),
			},
			false,
		);
		for (const [tokens, cut] of [
			[150, [63]],
			[90, [0, 63]],
		] as const) {
			const { answers } = row.state({ reasoning: tokens, instruct: 1, aggregator: 1 }).told;
			expect(answers.flatMap((answer, slot) => (answer === null ? [slot] : []))).toEqual(cut);
		}
	});
});
