import type { GpuId, ModelId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { Action, ReplicaView } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import type { Call } from '../../sim/domain/work.ts';
import { isAsleep } from '../replica-states.ts';
import { rateBeside, workAtRate, workUs } from './estimates.ts';
import { gpusByHost } from './gpu-groups.ts';
import { residual } from './lengths.ts';
import type { Outlook } from './outlook.ts';
import { ROLES } from './queues.ts';
import { gpuCount } from './replicas.ts';
import { longestTokens, secondsOn, workOf } from './work.ts';

/**
 * When one model is left, with fewer calls than it takes to keep all GPUs busy, its last ones end sooner on one engine over all GPUs of a host.
 * @returns null to go on as usual
 */
export function tensorMoves(outlook: Outlook): Action[] | null {
	const { view, replicas } = outlook;
	if (!view.allArrived || view.openQueries === 0) return null;
	const model = lastModel(outlook);
	if (model === null) return null;
	const group = widestGroup(outlook, model);
	if (group === null) return null;
	const own = replicas.filter((replica) => replica.model === model && replica.state !== 'stopping');
	const isClearing = replicas.some(({ state }) => state === 'stopping');
	const others = replicas.filter((replica) => replica.model !== model && replica.state !== 'stopping');
	// Already there, or something is on its way.
	if (own.some(({ gpus, state }) => gpus.length >= group.gpus.length || state !== 'awake')) return null;
	if (others.some((other) => other.openCalls > 0 || !isAtRest(other))) return null;

	if (
		!isCleared(outlook, model) &&
		gainSeconds(outlook, model, own, group) < outlook.expected.tuning.tensorSeconds
	)
		return null;
	const parked = own.flatMap(({ id }) =>
		view.openOn(id).map(({ call }): Action => ({ type: 'park', call: call.id })),
	);
	if (parked.length < own.reduce((sum, { openCalls }) => sum + openCalls, 0)) return null;
	const stops = [...own, ...others].map(({ id }): Action => ({ type: 'stop', replica: id }));
	if (stops.length > 0) return [...parked, ...stops];
	if (isClearing) return [];
	return [{ type: 'start', replica: outlook.newReplica(model), model, gpus: group.gpus }];
}

/**
 * The GPUs were made free for this, and the calls put aside: it is not asked again whether that pays, because calls look otherwise when they wait.
 */
const isCleared = ({ view, replicas }: Outlook, model: ModelId): boolean =>
	replicas.every(({ state }) => state === 'stopping') &&
	ROLES.some((role) => view.pending(model, role).some(({ id }) => view.carriedTokens(id) > 0));

function gainSeconds(outlook: Outlook, model: ModelId, own: readonly ReplicaView[], group: Group): number {
	const { gpus, profile } = group;
	return secondsAsNow(outlook, model, own, gpus.length) - secondsOver(outlook, model, own, profile);
}

/** Not on its way to anything. */
export const isAtRest = (replica: ReplicaView): boolean => replica.state === 'awake' || isAsleep(replica);

/** The only model with work, now or to come; null when there are several. */
function lastModel(outlook: Outlook): ModelId | null {
	const { view, expected } = outlook;
	let last: ModelId | null = null;
	for (const model of outlook.models) {
		const open = outlook.replicas.some((replica) => replica.model === model && replica.openCalls > 0);
		const isComing = model === expected.aggregator && view.openExpertCalls > 0;
		if (outlook.pendingCount(model) === 0 && !open && !isComing) continue;
		if (last !== null) return null;
		last = model;
	}
	return last;
}

interface Group {
	readonly gpus: readonly GpuId[];
	readonly profile: ReplicaProfile;
}

/** The most GPUs of one host that the model was profiled on together and may be started on; null when that is one. */
function widestGroup(outlook: Outlook, model: ModelId): Group | null {
	const { view } = outlook;
	let widest: Group | null = null;
	for (const pool of gpusByHost(view))
		for (let size = 2; size <= pool.length; size *= 2) {
			const gpus = pool.slice(0, size).map(({ id }) => id);
			const profile = view.profile(model, gpus);
			if (profile !== undefined && size > (widest?.gpus.length ?? 1) && outlook.canStart(model, gpus))
				widest = { gpus, profile };
		}
	return widest;
}

/**
 * On one engine over a group of GPUs: its load, all contexts computed again, then as full batches take, or as the longest call takes with the others
 * beside it.
 */
function secondsOver(
	outlook: Outlook,
	model: ModelId,
	own: readonly ReplicaView[],
	profile: ReplicaProfile,
): number {
	const { step, loadUs } = profile;
	let againUs = 0;
	let fullUs = 0;
	let variableUs = 0;
	const beside = rateBeside(profile);
	const add = (call: Call, contextTokens: number, tokens: number): void => {
		const left = residual(outlook.lengthsOf(call), tokens);
		againUs += contextTokens * step.perTokenOverKneeUs;
		fullUs += workUs(profile, outlook.batch(profile, call.role), contextTokens, left);
		variableUs += workAtRate(beside, contextTokens, left);
	};
	for (const replica of own)
		for (const { open, tokens, contextTokens } of outlook.load(replica).calls)
			add(open.call, contextTokens, tokens);
	for (const role of ROLES)
		for (const call of outlook.view.pending(model, role)) {
			const tokens = outlook.view.carriedTokens(call.id);
			add(call, call.promptTokens + tokens, tokens);
		}
	const aloneUs = longestTokens(outlook, model, own) * (step.hostUs + step.baseUs + step.allReduceUs);
	return secondsFromUs(loadUs + againUs + Math.max(fullUs, aloneUs + variableUs));
}

/** On smaller engines, at best on all GPUs; those that do not run yet are loaded first. */
function secondsAsNow(outlook: Outlook, model: ModelId, own: readonly ReplicaView[], gpus: number): number {
	const work = workOf(outlook, model);
	const loadSeconds = secondsFromUs(outlook.anyProfile(model)?.loadUs ?? 0);
	const all = loadSeconds + secondsOn(work, gpus);
	return own.length === 0 ? all : Math.min(all, secondsOn(work, gpuCount(own)));
}
