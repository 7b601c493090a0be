import { randomStream } from '../../sim/core/random.ts';
import type { QueryId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { CallTruth, QueryTruth } from '../../sim/domain/truth.ts';
import type { Query } from '../../sim/domain/work.ts';
import { whole } from './random-setup.ts';

/**
 * The setup with everything else that nobody could know of a run at a moment: calls that had not ended are longer and say something else,
 * queries that had not come come at other times and ask others, and every right answer is another.
 * @param records of the run
 * @param known what may be looked at all the same
 */
export function otherwiseHidden(
	setup: Setup,
	records: readonly RunRecord[],
	untilUs: number,
	known: 'nothing' | 'lengths' = 'nothing',
): Setup {
	const ended = new Set<string>(
		records.flatMap((record) =>
			record.timeUs <= untilUs &&
			(record.type === 'call-finished' || record.type === 'call-failed' || record.type === 'call-cancelled')
				? [record.call]
				: [],
		),
	);
	const { truth } = setup;
	return {
		...setup,
		queries: otherQueries(setup, untilUs),
		truth: {
			call: (id) => {
				if (ended.has(id)) return truth.call(id);
				const { outputTokens } = truth.call(id);
				const other = otherCall(setup, id, truth.call(id));
				return known === 'lengths' ? { ...other, outputTokens } : other;
			},
			query: (id) => {
				const { aggregatorOutputTokens } = truth.query(id);
				const other = otherQuery(setup, id, truth.query(id), ended.has(`${id}/agg`));
				return known === 'lengths' ? { ...other, aggregatorOutputTokens } : other;
			},
		},
	};
}

/** At least as long: whoever was at work on it at that moment still is. */
function otherCall({ seed }: Setup, id: string, call: CallTruth): CallTruth {
	const random = randomStream(seed, `other ${id}`);
	return {
		...call,
		outputTokens: call.outputTokens + whole(random, 0, 60),
		answer: random() < 0.1 ? null : 'ABC'.charAt(whole(random, 0, 2)),
	};
}

function otherQuery({ seed }: Setup, id: QueryId, query: QueryTruth, isAggregated: boolean): QueryTruth {
	const random = randomStream(seed, `other ${id}`);
	return {
		correctAnswer: `not ${query.correctAnswer}`,
		aggregatorOutputTokens: query.aggregatorOutputTokens + (isAggregated ? 0 : whole(random, 0, 60)),
		aggregatorAnswer: (answers) => (isAggregated ? query.aggregatorAnswer(answers) : 'C'),
	};
}

/** They ask models that the experiment names: that these may be asked is known. */
function otherQueries({ seed, queries, demand }: Setup, untilUs: number): readonly Query[] {
	const models = demand?.callsPerQuery ?? [];
	const random = randomStream(seed, 'other queries');
	let arrivalUs = untilUs;
	return queries.map((query) => {
		if (query.arrivalUs <= untilUs) return query;
		arrivalUs += whole(random, 1, 3_000_000);
		return {
			...query,
			arrivalUs,
			slots: query.slots.map((model) => models[whole(random, 0, models.length - 1)]?.model ?? model),
			slotPromptTokens: query.slotPromptTokens.map(() => whole(random, 1, 60)),
		};
	});
}
