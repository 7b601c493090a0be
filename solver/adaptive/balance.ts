import type { ReplicaId } from '../../sim/domain/ids.ts';
import type { Action } from '../../sim/domain/scheduler.ts';
import type { OpenCallLoad } from './load.ts';
import type { Outlook } from './outlook.ts';

/** Evens out the replicas of each model that has nothing pending: running calls move from the fullest to the emptiest, or those that still wait there. */
export function moves(outlook: Outlook, given: Set<ReplicaId>): Action[] {
	const { switches, tuning } = outlook.expected;
	if (!switches.migrate && !switches.steal) return [];
	const actions: Action[] = [];
	for (const model of outlook.models) {
		if (outlook.pending(model).releasedCount > 0) continue;
		const awake = outlook.serving(model).filter(({ id, state }) => state === 'awake' && !given.has(id));
		if (awake.length < 2) continue;
		const loads = awake
			.map((replica) => ({ replica, load: outlook.load(replica) }))
			.sort((a, b) => a.load.workUs - b.load.workUs);
		const least = loads[0];
		const most = loads.at(-1);
		if (least === undefined || most === undefined || most.load.calls.length < 2) continue;
		const difference = most.load.workUs - least.load.workUs;
		if (difference < Math.max(tuning.imbalance * most.load.workUs, tuning.imbalanceSeconds * 1e6)) continue;
		let movedUs = 0;
		for (const call of movable(outlook, most.load.calls)) {
			const { id } = call.open.call;
			if (outlook.isTaken(id)) continue;
			if (movedUs + call.workUs > difference / 2) break;
			movedUs += call.workUs;
			outlook.take(id);
			given.add(least.replica.id);
			given.add(most.replica.id);
			actions.push({ type: 'migrate', call: id, replica: least.replica.id });
		}
	}
	return actions;
}

/** In the order in which they should move: those that wait, then the shortest contexts, which cost least to compute again. */
function movable({ expected }: Outlook, calls: readonly OpenCallLoad[]): readonly OpenCallLoad[] {
	const { switches } = expected;
	const waiting = switches.steal ? calls.filter(({ fits }) => !fits) : [];
	if (!switches.migrate) return waiting;
	const rest = calls.filter((call) => !waiting.includes(call));
	return [...waiting, ...rest.sort((a, b) => a.contextTokens - b.contextTokens)];
}
