import type { PastQuery } from '../domain/calibration.ts';
import { present } from '../domain/errors.ts';
import { queryId } from '../domain/ids.ts';
import type { GateForecast } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Answer, Gate, Query, Verdict } from '../domain/work.ts';

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
	return pastShare(setup, 1, (past, query) => verdictOnPast(gate, past, query) === 'aggregate');
}

/** Asked at every answer, as a run asks it, the shortest output first: a gate may decide before the last. */
function verdictOnPast(gate: Gate, { answers, outputTokens, slots, task }: PastQuery, query: Query): Verdict {
	const order = [...outputTokens.keys()].sort((a, b) => (outputTokens[a] ?? 0) - (outputTokens[b] ?? 0));
	const given: (Answer | undefined)[] = slots.map(() => undefined);
	let verdict: Verdict = 'open';
	for (const slot of order) {
		const model = present(slots[slot], 'slot');
		const isCut = (outputTokens[slot] ?? 0) >= gate.cutTokens({ model, task, role: 'expert' });
		given[slot] = isCut ? null : (answers[slot] ?? null);
		verdict = gate.decide(given, query).verdict;
		if (verdict !== 'open') break;
	}
	return verdict;
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
