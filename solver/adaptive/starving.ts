import type { ModelId, ReplicaId } from '../../sim/domain/ids.ts';
import type { ReplicaView } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import type { Outlook } from './outlook.ts';
import { ROLES } from './queues.ts';

/** A model that has waited too long for a GPU, and the engine that takes no more calls until it can make room; null when one has gone already. */
export interface Starving {
	readonly model: ModelId;
	readonly yields: ReplicaId | null;
}

/**
 * While queries arrive there is always more work for the models that are there, and one that nobody serves might wait for ever. So when the oldest of its
 * calls has waited for as long as two loads and a long call take, the engine that can do so soonest finishes what it has and makes room.
 * @returns null in a batch, which ends anyhow
 */
export function starving(outlook: Outlook): Starving | null {
	const { view, expected } = outlook;
	if (view.allArrived || !expected.switches.rebalance) return null;
	let longest = 0;
	let found: Starving | null = null;
	for (const model of outlook.models) {
		if (outlook.serving(model).length > 0) continue;
		const seconds = waitedSeconds(outlook, model) - patienceSeconds(outlook, model);
		if (seconds <= longest) continue;
		longest = seconds;
		found = { model, yields: engineToYield(outlook, model)?.id ?? null };
	}
	return found;
}

/** Since its oldest query with a pending call came. */
function waitedSeconds({ view }: Outlook, model: ModelId): number {
	const first = ROLES.flatMap((role) => view.pending(model, role).slice(0, 1));
	const arrivals = first.map(({ query }) => view.query(query).query.arrivalUs);
	return arrivals.length === 0 ? 0 : secondsFromUs(view.nowUs - Math.min(...arrivals));
}

function patienceSeconds(outlook: Outlook, model: ModelId): number {
	const loadSeconds = secondsFromUs(outlook.anyProfile(model)?.loadUs ?? 0);
	return 2 * loadSeconds + Math.max(...ROLES.map((role) => outlook.longSeconds(model, role)));
}

/** The one with the fewest calls on a GPU that can hold the model, of models that have another one first. */
function engineToYield(outlook: Outlook, model: ModelId): ReplicaView | undefined {
	const rank = ({ model: own, openCalls }: ReplicaView): number =>
		(outlook.serving(own).length > 1 ? 0 : MANY) + openCalls;
	let best: ReplicaView | undefined;
	for (const engine of outlook.replicas) {
		if (engine.state !== 'awake' || !outlook.canStart(model, engine.gpus.slice(0, 1))) continue;
		if (best === undefined || rank(engine) < rank(best)) best = engine;
	}
	return best;
}

/** More calls than an engine has. */
const MANY = 1e6;
