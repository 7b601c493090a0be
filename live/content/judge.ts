import type { Judge } from '../../sim/core/controller.ts';
import { createJudge } from '../../sim/core/judge.ts';
import { aggregatorCallId } from '../../sim/domain/ids.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { ContentOptions, LiveContent } from './answer-book.ts';

/**
 * Judges a live run. Where answers are drawn it is the simulator's judge. Where they are real an answer is right when it is the question file's; whether
 * the aggregator would have been right is known of the queries that it was asked about, and of all where an emulator says what was drawn.
 * @param content that of the run, which remembers what the aggregator said
 */
export function createLiveJudge(
	setup: Setup,
	content: Pick<LiveContent, 'answerOf'>,
	{ takesScripts }: ContentOptions,
): Judge {
	const drawn = createJudge(setup);
	if (setup.questions === null || setup.live.answers === 'simulated') return drawn;
	const golds = new Map(setup.questions.map((question) => [question.query, question.gold]));
	return {
		isCorrect(query, answer) {
			const gold = golds.get(query) ?? null;
			return gold === null ? null : answer === gold;
		},
		aggregateAllCorrect(query) {
			const gold = golds.get(query) ?? null;
			if (gold === null) return null;
			const said = content.answerOf(aggregatorCallId(query));
			if (said !== undefined) return said === gold;
			return takesScripts ? drawn.aggregateAllCorrect(query) : null;
		},
	};
}
