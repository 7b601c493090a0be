import type { PastQuery } from '../domain/calibration.ts';
import { queryId } from '../domain/ids.ts';
import type { GateForecast } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Gate, Query } from '../domain/work.ts';

/** Past queries looked at: the share is known to about a point. */
const LOOK_AT = 2000;

/** What a gate does with past queries. Worked out when first asked for. */
export function forecastGate(
	setup: Pick<Setup, 'calibration' | 'models' | 'aggregator'>,
	gate: Gate,
): GateForecast {
	let share: number | null = null;
	const foreseen = new Map<number, number>();
	return {
		get aggregatedShare() {
			share ??= aggregatedShare(setup, gate);
			return share;
		},
		foreseenShare(answers) {
			const known = foreseen.get(answers) ?? foreseenShare(setup, gate, answers);
			foreseen.set(answers, known);
			return known;
		},
		cutTokens(model, task, role) {
			const limit =
				setup.models.find(({ id }) => id === model)?.outputLimitTokens ?? Number.POSITIVE_INFINITY;
			return Math.min(limit, gate.cutTokens({ model, task, role }));
		},
	};
}

function aggregatedShare(setup: Pick<Setup, 'calibration' | 'aggregator'>, gate: Gate): number {
	if (setup.aggregator === null) return 0;
	// Of what nobody has seen, all is expected to be aggregated.
	return pastShare(setup, 1, ({ answers }, query) => gate.decide(answers, query).verdict === 'aggregate');
}

const foreseenShare = (setup: Pick<Setup, 'calibration'>, gate: Gate, count: number): number =>
	pastShare(
		setup,
		0,
		({ answers }, query) =>
			gate.foresee(
				answers.map((answer, slotIndex) => (slotIndex < count ? answer : undefined)),
				query,
			) !== undefined,
	);

/** @param unseen what is said when there are no past queries */
function pastShare(
	{ calibration }: Pick<Setup, 'calibration'>,
	unseen: number,
	holds: (past: PastQuery, query: Query) => boolean,
): number {
	const past = calibration.queries().slice(0, LOOK_AT);
	if (past.length === 0) return unseen;
	const held = past.filter((each, index) => {
		const { task, slots, slotPromptTokens } = each;
		return holds(each, { id: queryId(`past${index}`), task, arrivalUs: 0, slots, slotPromptTokens });
	});
	return held.length / past.length;
}
