import type { ReplicaId } from '../../sim/domain/ids.ts';
import type { Action, OpenCall, ReplicaView } from '../../sim/domain/scheduler.ts';
import { kvTokens } from './estimates.ts';
import type { Outlook } from './outlook.ts';

/**
 * Moves all calls of a replica to the others of its model.
 * @param leaving replicas that have just been told to go
 * @returns null when they have nowhere to go
 */
export function vacate(
	outlook: Outlook,
	replica: ReplicaView,
	given: Set<ReplicaId>,
	leaving: ReadonlySet<ReplicaId>,
): Action[] | null {
	if (!outlook.expected.switches.migrate) return null;
	const open = movable(outlook, replica, given);
	const others = outlook.replicas.filter(
		({ id, model, state }) =>
			model === replica.model && state === 'awake' && id !== replica.id && !leaving.has(id),
	);
	if (open === null || others.length === 0 || !haveRoom(outlook, others, replica)) return null;
	return open.map(({ call }, index): Action => {
		const to = others[index % others.length] as ReplicaView;
		given.add(to.id);
		return { type: 'migrate', call: call.id, replica: to.id };
	});
}

/** Whether the calls would find memory there, beside those that are there: without it they would wait, however long they are. */
function haveRoom(outlook: Outlook, others: readonly ReplicaView[], leaver: ReplicaView): boolean {
	const held = (replica: ReplicaView): number => outlook.load(replica).heldTokens[0] ?? 0;
	const room = others.reduce((sum, replica) => {
		const profile = outlook.profile(replica);
		return sum + (profile === undefined ? 0 : kvTokens(profile.engine) - held(replica));
	}, 0);
	return held(leaver) <= room;
}

export function maySleep({ view }: Outlook, replica: ReplicaView): boolean {
	const profile = view.profile(replica.model, replica.gpus);
	const host = view.cluster.gpus.find(({ id }) => id === replica.gpus[0])?.host;
	if (profile === undefined || host === undefined || profile.sleep[1] === null) return false;
	return view.freeHostBytes(host) >= profile.sleepingHostBytes;
}

/** All calls of a replica; null when this decision has done something with it already, or some are being cancelled. */
function movable(
	outlook: Outlook,
	replica: ReplicaView,
	given: ReadonlySet<ReplicaId>,
): readonly OpenCall[] | null {
	if (given.has(replica.id)) return null;
	const open = outlook.view.openOn(replica.id);
	return open.length < replica.openCalls || open.some(({ call }) => outlook.isTaken(call.id)) ? null : open;
}
