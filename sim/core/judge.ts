import { aggregatorPromptTokens } from '../domain/aggregator-prompt.ts';
import { present } from '../domain/errors.ts';
import { expertCallId } from '../domain/ids.ts';
import type { AggregatorSpec } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Query } from '../domain/work.ts';
import type { Judge } from './controller.ts';

/** Says which answers were right, and what the aggregator would have said of queries that it was never asked about. */
export function createJudge(setup: Setup): Judge {
	const queries = new Map(setup.queries.map((query) => [query.id, query]));
	const { aggregator, truth } = setup;
	return {
		isCorrect: (query, answer) => answer === truth.query(query).correctAnswer,
		aggregateAllCorrect: (id) =>
			aggregator === null
				? null
				: aggregatorIsRight(setup, aggregator, present(queries.get(id), `query ${id}`)),
	};
}

function aggregatorIsRight(setup: Setup, aggregator: AggregatorSpec, query: Query): boolean {
	const calls = query.slots.map((_, slotIndex) => setup.truth.call(expertCallId(query.id, slotIndex)));
	const truth = setup.truth.query(query.id);
	const promptTokens = aggregatorPromptTokens(
		setup.aggregatorPrompt,
		query,
		calls.map((call) => Math.min(call.answerTokens, call.outputTokens)),
	);
	const { outputLimitTokens } = present(
		setup.models.find((model) => model.id === aggregator.model),
		`model ${aggregator.model}`,
	);
	const { engine } = present(
		setup.profiles.find(
			({ model, tensorParallel }) =>
				model === aggregator.model && tensorParallel === aggregator.tensorParallel,
		),
		`profile of aggregator ${aggregator.model}`,
	);
	// Output that is cut gives no answer, whichever limit cuts it; a prompt without room is refused.
	if (truth.aggregatorOutputTokens >= outputLimitTokens) return false;
	if (truth.aggregatorOutputTokens > engine.maxModelLen - promptTokens) return false;
	const answers = calls.map((call) => (call.truncated ? null : call.answer));
	return truth.aggregatorAnswer(answers) === truth.correctAnswer;
}
