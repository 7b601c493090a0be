import { describe, expect, it } from 'vitest';
import { createLiveJudge } from '../../../live/content/judge.ts';
import { aggregatorCallId, type CallId, queryId } from '../../../sim/domain/ids.ts';
import type { Question } from '../../../sim/domain/question.ts';
import type { Answer } from '../../../sim/domain/work.ts';
import { SMALL_LIVE, smallSetup } from '../../support/setup-builder.ts';

const asked = (query: string, gold: Answer): Question => ({
	query: queryId(query),
	text: 'Well?',
	choices: ['yes', 'no'],
	answerKind: 'letter',
	gold,
});
const calls = [{ model: 'a', outputTokens: 9, answer: 'A' }];
const small = {
	// The drawn aggregator is right on q0 and wrong on q1; drawn right answers are A.
	queries: [
		{ calls, aggregatorAnswer: 'A' },
		{ calls, aggregatorAnswer: 'B' },
		{ calls, aggregatorAnswer: 'A' },
	],
	questions: [asked('q0', 'A'), asked('q1', 'A'), asked('q2', null)],
};
const real = smallSetup({ ...small, live: { ...SMALL_LIVE, answers: 'real' } });
const [q0, q1, q2] = ['q0', 'q1', 'q2'].map(queryId) as [
	ReturnType<typeof queryId>,
	ReturnType<typeof queryId>,
	ReturnType<typeof queryId>,
];
const nothingSaid = { answerOf: () => undefined };
const saying = (said: Readonly<Record<string, Answer>>) => ({ answerOf: (call: CallId) => said[call] });

describe('the judge of a live run', () => {
	it('knows what is right from the question file, and says so when nobody knows', () => {
		const judge = createLiveJudge(real, nothingSaid, { takesScripts: false });
		expect([judge.isCorrect(q0, 'A'), judge.isCorrect(q0, 'B'), judge.isCorrect(q0, null)]).toEqual([
			true,
			false,
			false,
		]);
		expect(judge.isCorrect(q2, 'A')).toBeNull();
	});

	it('knows whether aggregating would have been right only of what was aggregated', () => {
		const said = saying({
			[aggregatorCallId(q0)]: 'A',
			[aggregatorCallId(q1)]: null,
			[aggregatorCallId(q2)]: 'A',
		});
		const judge = createLiveJudge(real, said, { takesScripts: false });
		expect([q0, q1, q2].map((query) => judge.aggregateAllCorrect(query))).toEqual([true, false, null]);
		const none = createLiveJudge(real, nothingSaid, { takesScripts: false });
		expect(none.aggregateAllCorrect(q0)).toBeNull();
	});

	it('knows of an emulator what it would have said', () => {
		const judge = createLiveJudge(real, nothingSaid, { takesScripts: true });
		expect([q0, q1, q2].map((query) => judge.aggregateAllCorrect(query))).toEqual([true, false, null]);
	});

	it('is the judge of the simulator where answers are drawn', () => {
		for (const setup of [smallSetup(small), smallSetup({ queries: small.queries })]) {
			const judge = createLiveJudge(setup, nothingSaid, { takesScripts: false });
			expect([judge.isCorrect(q2, 'A'), judge.isCorrect(q2, 'B')]).toEqual([true, false]);
			expect([q0, q1, q2].map((query) => judge.aggregateAllCorrect(query))).toEqual([true, false, true]);
		}
	});
});
