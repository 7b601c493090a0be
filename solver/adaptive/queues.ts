import type { ModelId } from '../../sim/domain/ids.ts';
import type { SlotView } from '../../sim/domain/scheduler.ts';
import type { Call, Query } from '../../sim/domain/work.ts';
import { workUs } from './estimates.ts';
import type { Outlook } from './outlook.ts';

/** Pending calls of one model. */
export interface Queues {
	/** In the order in which they should be dispatched. */
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
	const released: (readonly Call[])[] = aggregations.length > 0 ? [outlook.inOrder(aggregations)] : [];
	const held: (readonly Call[])[] = [];
	const lists = switches.order ? view.pendingByAnswers(model, 'expert') : [view.pending(model, 'expert')];
	for (let answers = lists.length - 1; answers >= 0; answers--) {
		const list = lists[answers];
		if (list === undefined || list.length === 0) continue;
		const parts = switches.hold
			? partsOf(outlook, list, switches.order ? answers : null)
			: { released: list, held: [] };
		if (parts.released.length > 0) released.push(outlook.inOrder(parts.released));
		if (parts.held.length > 0) held.push(outlook.inOrder(parts.held));
	}
	if (
		switches.hold &&
		held.length > 0 &&
		outlook.horizonSeconds < expected.tuning.slack * outlook.chainSeconds(model)
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

/** Of a list of pending calls. */
export interface Parts {
	readonly released: readonly Call[];
	readonly held: readonly Call[];
}

/** @param answers slots of their queries that have ended; null when they differ */
function partsOf(outlook: Outlook, list: readonly Call[], answers: number | null): Parts {
	let parts = answers === null ? undefined : outlook.tables.parts.get(list);
	if (parts === undefined) {
		const released: Call[] = [];
		const held: Call[] = [];
		for (const call of list) {
			const ended = answers ?? endedSlots(outlook, call);
			(isHeld(outlook, call, ended) ? held : released).push(call);
		}
		parts = { released, held };
		if (answers !== null) outlook.tables.parts.set(list, parts);
	}
	return parts;
}

const endedSlots = ({ view }: Outlook, call: Call): number =>
	view.query(call.query).slots.filter(({ answer }) => answer !== undefined).length;

/** A vote is worth waiting for when at least this share of queries is decided by then. */
const WORTH_WAITING = 0.2;

/** Whether the query may well be decided without this call: it comes late in the order of cost, and not all before it have ended. */
function isHeld(outlook: Outlook, call: Call, ended: number): boolean {
	const rank = costRank(outlook, call);
	if (rank === 0 || ended >= rank) return false;
	return (outlook.expected.foreseen[rank] ?? 0) >= WORTH_WAITING;
}

/** Place of a call among the slots of its query, cheapest first. */
function costRank(outlook: Outlook, call: Call): number {
	let rank = outlook.tables.ranks.get(call);
	if (rank === undefined) {
		const { query, slots } = outlook.view.query(call.query);
		const costs = slots.map((slot, slotIndex) => costOf(outlook, query, slot, slotIndex));
		const own = costs[call.slotIndex] ?? 0;
		rank = 0;
		costs.forEach((other, slotIndex) => {
			if (other < own || (other === own && slotIndex < call.slotIndex)) rank = (rank ?? 0) + 1;
		});
		outlook.tables.ranks.set(call, rank);
	}
	return rank;
}

function costOf(outlook: Outlook, query: Query, { call: id, model }: SlotView, slotIndex: number): number {
	const profile = outlook.anyProfile(model);
	if (profile === undefined) return 0;
	const { known } = outlook.tables;
	if (known === null) return outlook.callUs(profile, 'expert');
	const tokens = known.tokens({ id, query: query.id, role: 'expert' });
	const promptTokens = query.slotPromptTokens[slotIndex] ?? 0;
	const batch = outlook.batch(profile, 'expert');
	return workUs(profile, batch, promptTokens, { tokens, squared: tokens * tokens });
}
