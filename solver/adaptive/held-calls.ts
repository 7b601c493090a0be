import type { ModelId, QueryId } from '../../sim/domain/ids.ts';
import type { SlotView } from '../../sim/domain/scheduler.ts';
import type { Call, Query } from '../../sim/domain/work.ts';
import { wholeWorkUs } from './estimates.ts';
import type { Outlook } from './outlook.ts';

/** Of a list of pending calls, those that may go and those that their query may not need. */
export interface Parts {
	readonly released: readonly Call[];
	readonly held: readonly Call[];
}

/** Of calls of queries of which equally many slots have ended. */
export interface FlaggedParts extends Parts {
	readonly all: readonly Call[];
	/** The same once more, not frozen: reading a frozen array takes many times as long. */
	readonly calls: readonly Call[];
	/** Of each of them, whether it is held. */
	readonly isHeld: readonly boolean[];
}

/** @param answers slots of their queries that have ended */
export function partsOf(
	outlook: Outlook,
	model: ModelId,
	all: readonly Call[],
	answers: number,
): FlaggedParts {
	// From here on nothing is held.
	if (answers >= lastHeldRank(outlook)) return { all, calls: all, isHeld: [], released: all, held: [] };
	const { parts } = outlook.tables;
	let known = parts.get(model);
	if (known === undefined) {
		known = [];
		parts.set(model, known);
	}
	let own = known[answers];
	if (own?.all !== all) {
		own = divide(all, own ?? NO_PARTS, (call) => isHeld(outlook, call, answers));
		known[answers] = own;
	}
	return own;
}

/** Of all pending calls of a model at once: each of them is the next one of one of the lists by answers. */
export function partsOfAll(outlook: Outlook, model: ModelId, all: readonly Call[]): Parts {
	if (lastHeldRank(outlook) <= 0) return { released: all, held: [] };
	const lists = outlook.view
		.pendingByAnswers(model, 'expert')
		.flatMap((list, answers) =>
			list === undefined ? [] : [{ parts: partsOf(outlook, model, list, answers), next: 0 }],
		);
	const released: Call[] = [];
	const held: Call[] = [];
	for (const call of [...all]) {
		const own = lists.find(({ parts, next }) => parts.calls[next] === call);
		const flag = own !== undefined && own.parts.isHeld[own.next++] === true;
		(flag ? held : released).push(call);
	}
	return { released, held };
}

const NO_PARTS: FlaggedParts = { all: [], calls: [], isHeld: [], released: [], held: [] };

/**
 * Lists change by a few calls at a time: what was said of the others is copied, as they come in the same order.
 * @param before parts of the list as it was
 */
function divide(all: readonly Call[], before: FlaggedParts, holds: (call: Call) => boolean): FlaggedParts {
	const released: Call[] = [];
	const held: Call[] = [];
	const flags: boolean[] = [];
	const calls = [...all];
	const { calls: old, isHeld: was } = before;
	let next = 0;
	for (const call of calls) {
		let at = next;
		const end = Math.min(next + LOOK_FOR, old.length);
		while (at < end && old[at] !== call) at++;
		const isKnown = at < end;
		if (isKnown) next = at + 1;
		const flag = isKnown ? was[at] === true : holds(call);
		flags.push(flag);
		if (flag) held.push(call);
		else released.push(call);
	}
	return { all, calls, isHeld: flags, released, held };
}

/** Places within which a call is looked for: more than usually leave a list at once. */
const LOOK_FOR = 64;

/** A vote is worth waiting for when at least this share of queries is decided by then. */
const WORTH_WAITING = 0.2;

/** The last place in the order of cost at which a call may be held. */
const lastHeldRank = ({ expected }: Outlook): number =>
	expected.foreseen.findLastIndex((share) => share >= WORTH_WAITING);

/** Whether the query may well be decided without this call: it comes late in the order of cost, and not all before it have ended. */
function isHeld(outlook: Outlook, call: Call, ended: number): boolean {
	const rank = costRanks(outlook, call.query)[call.slotIndex] ?? 0;
	return rank > ended && (outlook.expected.foreseen[rank] ?? 0) >= WORTH_WAITING;
}

/** Places of the slots of a query in the order of cost, cheapest first. */
function costRanks(outlook: Outlook, id: QueryId): readonly number[] {
	let ranks = outlook.tables.ranks.get(id);
	if (ranks === undefined) {
		const { query, slots } = outlook.view.query(id);
		const costs = slots.map((slot, slotIndex) => costOf(outlook, query, slot, slotIndex));
		ranks = costs.map(
			(own, slotIndex) =>
				costs.filter((other, index) => other < own || (other === own && index < slotIndex)).length,
		);
		outlook.tables.ranks.set(id, ranks);
	}
	return ranks;
}

function costOf(outlook: Outlook, query: Query, { call: id, model }: SlotView, slotIndex: number): number {
	const profile = outlook.anyProfile(model);
	if (profile === undefined) return 0;
	const { known } = outlook.tables;
	if (known === null) return outlook.callUs(profile, 'expert');
	const tokens = known.tokens({ id, query: query.id, role: 'expert' });
	const promptTokens = query.slotPromptTokens[slotIndex] ?? 0;
	const batch = outlook.batch(profile, 'expert');
	return wholeWorkUs(profile, batch, promptTokens, { tokens, squared: tokens * tokens });
}
