import type { ModelId } from '../../sim/domain/ids.ts';
import type { Call, CallRole } from '../../sim/domain/work.ts';
import { type Parts, partsOf, partsOfAll } from './held-calls.ts';
import type { Outlook } from './outlook.ts';

/** In the order in which work of both is listed. */
export const ROLES: readonly CallRole[] = ['expert', 'aggregator'];

/** Pending calls of one model. */
export interface Queues {
	/** In the order in which they should be dispatched, unless the outlook ranks them. */
	readonly released: readonly (readonly Call[])[];
	readonly releasedCount: number;
	readonly aggregations: number;
	/** Calls that their query may not need. */
	readonly held: readonly (readonly Call[])[];
	readonly heldCount: number;
}

export function queuesOf(outlook: Outlook, model: ModelId): Queues {
	const { view, expected } = outlook;
	const { switches } = expected;
	const mayAggregate = switches.overlap || (view.allArrived && view.openExpertCalls === 0);
	const aggregations = mayAggregate ? view.pending(model, 'aggregator') : [];
	const released: (readonly Call[])[] = aggregations.length > 0 ? [aggregations] : [];
	const held: (readonly Call[])[] = [];
	const lists =
		switches.order || switches.predict
			? view.pendingByAnswers(model, 'expert')
			: [view.pending(model, 'expert')];
	for (let answers = lists.length - 1; answers >= 0; answers--) {
		const list = lists[answers];
		if (list === undefined || list.length === 0) continue;
		const parts = divided(outlook, model, list, answers);
		if (parts.released.length > 0) released.push(parts.released);
		if (parts.held.length > 0) held.push(parts.held);
	}
	if (
		switches.hold &&
		held.length > 0 &&
		outlook.isHorizonBelow(expected.tuning.slack * outlook.chainSeconds(model))
	) {
		released.push(...held);
		held.length = 0;
	}
	const count = (calls: readonly (readonly Call[])[]): number =>
		calls.reduce((sum, list) => sum + list.length, 0);
	return {
		released,
		releasedCount: count(released),
		aggregations: aggregations.length,
		held,
		heldCount: count(held),
	};
}

function divided(outlook: Outlook, model: ModelId, list: readonly Call[], answers: number): Parts {
	const { hold, order } = outlook.expected.switches;
	if (!hold) return { released: list, held: [] };
	return order ? partsOf(outlook, model, list, answers) : partsOfAll(outlook, model, list);
}
