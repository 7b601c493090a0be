import { expect } from 'vitest';
import type { PastQuery } from '../../sim/domain/calibration.ts';
import { present } from '../../sim/domain/errors.ts';
import { type ModelId, queryId } from '../../sim/domain/ids.ts';
import type { Answer, Gate, Query } from '../../sim/domain/work.ts';
import { AGGREGATOR } from './past-world.ts';

export interface PastEnd {
	readonly byVote: boolean;
	readonly right: boolean;
	/** With nothing cut and the aggregator asked. */
	readonly allRight: boolean;
}

export interface PastRunOptions {
	readonly aggregator?: ModelId;
	/** Which output ends first; default the shortest. */
	readonly first?: 'shortest' | 'longest';
	/** Name of the query, which decides on audits. */
	readonly id?: string;
}

/** What a gate makes of a past query, asked as a run asks it, answer by answer. */
export function runPast(gate: Gate, past: PastQuery, options: PastRunOptions = {}): PastEnd {
	const { aggregator = AGGREGATOR, first = 'shortest', id = 'past' } = options;
	const { task, slots, slotPromptTokens, answers, outputTokens, correctAnswer } = past;
	const query: Query = { id: queryId(id), task, arrivalUs: 0, slots, slotPromptTokens };
	const reply = present(past.aggregator, 'aggregator');
	const allRight = reply.answer(answers) === correctAnswer;
	const told = answers.map((answer, slot) => {
		const model = present(slots[slot], 'slot');
		return (outputTokens[slot] ?? 0) >= gate.cutTokens({ model, task, role: 'expert' }) ? null : answer;
	});
	const order = [...slots.keys()].sort((a, b) => (outputTokens[a] ?? 0) - (outputTokens[b] ?? 0));
	if (first === 'longest') order.reverse();
	const given: (Answer | undefined)[] = slots.map(() => undefined);
	let foreseen: string | undefined;
	for (const slot of order) {
		given[slot] = told[slot] ?? null;
		const { verdict, answer } = gate.decide(given, query);
		if (verdict === 'accept') {
			// Whoever settled it before, on what was foreseen, gave the same answer.
			if (foreseen !== undefined) expect(answer).toBe(foreseen);
			return { byVote: true, right: answer === correctAnswer, allRight };
		}
		if (verdict === 'aggregate') {
			expect(foreseen).toBeUndefined();
			break;
		}
		foreseen ??= gate.foresee(given, query);
	}
	const isCut = reply.outputTokens >= gate.cutTokens({ model: aggregator, task, role: 'aggregator' });
	const answer = isCut ? gate.answerWhenCut(told, query) : reply.answer(told);
	return { byVote: false, right: answer === correctAnswer, allRight };
}

export interface PastSums {
	/** Mean of what was lost, gains counted as negative, in points, and its standard error. */
	readonly lossPoints: number;
	readonly errorPoints: number;
	readonly votedShare: number;
}

export function sumPast(
	gate: Gate,
	past: readonly PastQuery[],
	options: Omit<PastRunOptions, 'id'> = {},
): PastSums {
	const ends = past.map((query, index) => runPast(gate, query, { ...options, id: `fresh${index}` }));
	const losses = ends.map(({ right, allRight }) => Number(allRight) - Number(right));
	const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
	const square = losses.reduce((sum, loss) => sum + loss ** 2, 0) / losses.length;
	return {
		lossPoints: 100 * mean,
		errorPoints: 100 * Math.sqrt((square - mean ** 2) / losses.length),
		votedShare: ends.filter(({ byVote }) => byVote).length / ends.length,
	};
}
