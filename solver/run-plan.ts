import type { ReplicaId } from '../sim/domain/ids.ts';
import { replicaId } from '../sim/domain/ids.ts';
import type { Plan, PlannedSession } from '../sim/domain/plan.ts';
import type { Action, ReplicaView, View } from '../sim/domain/scheduler.ts';
import type { CallRole } from '../sim/domain/work.ts';
import { isAsleep } from './replica-states.ts';
import { takeTurns } from './take-turns.ts';

/**
 * Carries out `view.plan` as it stands: the `decide` of every policy that only plans. Keeps no state; what was done is read from the
 * replicas, whose ids say which session they serve (`s<index>-<model>`; `s<index>r1-<model>` after a failure; behind `p<revision>` in a
 * plan that is not the run's first). Sessions of an open-ended plan take turns instead (take-turns.ts).
 *
 * - A session starts when no earlier session still needs one of its GPUs and all sessions of lower phases have ended. One that finds
 *   nothing left to do is passed over without loading anything.
 * - When its replica is awake, its share is taken from the pending calls; it is stopped when all of that has ended. The last session of a
 *   model takes whatever is left, and `calls: null` means just that.
 * - When a replica fails, the calls it had not been given go in even parts to the other sessions of its model. If there is none, the
 *   session starts once more; if that fails as well, the calls are cancelled, so that the run ends and its log says what was lost.
 */
export const runPlan = (view: View): readonly Action[] =>
	view.plan.openEnded ? takeTurns(view) : runOnce(view);

function runOnce(view: View): readonly Action[] {
	const outline = outlineOf(view.plan);
	const sessions = statusesOf(outline, view);
	const actions: Action[] = view.acceptable.map((query) => ({ type: 'settle', query }));
	const groups = outline.groups.map((group) => groupStatus(group, sessions, view, actions));

	const gpuTaken = outline.gpuIndices.map(() => false);
	for (const { stage, session } of sessions)
		if (stage === 'loading' || stage === 'awake' || stage === 'stopping')
			for (const gpu of session.gpus) gpuTaken[gpu] = true;
	for (const replica of view.replicas) {
		if (outline.sessionOf.has(replica.id) || replica.state === 'stopped' || replica.state === 'failed')
			continue;
		endFormer(replica, actions);
		for (const gpu of replica.gpus) {
			const index = outline.gpuOf.get(gpu);
			if (index !== undefined) gpuTaken[index] = true;
		}
	}

	let openPhase: number | null = null;
	const gpuPromised = outline.gpuIndices.map(() => false);
	for (const index of outline.order) {
		const status = sessions[index] as SessionStatus;
		const { session } = status;
		if (openPhase !== null && session.planned.phase > openPhase) break;
		const group = groups[session.group] as GroupStatus;
		if (status.stage === 'awake') serve(status, group, view, actions);
		else if (status.stage === 'waiting' && session.gpus.every((gpu) => gpuPromised[gpu] !== true)) {
			if (nothingLeftFor(status, group, view)) continue;
			if (session.gpus.every((gpu) => gpuTaken[gpu] !== true) && isWorthStarting(status, view))
				actions.push({
					type: 'start',
					replica: session.ids[status.attempt] as ReplicaId,
					model: session.planned.model,
					gpus: session.planned.gpus,
				});
		}
		if (status.stage === 'ended') continue;
		openPhase = session.planned.phase;
		for (const gpu of session.gpus) gpuPromised[gpu] = true;
	}
	return actions;
}

/** A replica of an earlier plan serves what it has and is stopped. */
function endFormer(replica: ReplicaView, actions: Action[]): void {
	const { id, state, openCalls } = replica;
	const canStop = state === 'loading' || state === 'awake' || isAsleep(replica);
	if (canStop && openCalls === 0) actions.push({ type: 'stop', replica: id });
}

/** A plan with its cross-references worked out. Depends on the plan alone, so it is made once for each. */
interface Outline {
	readonly sessions: readonly Session[];
	/** Session indices by (phase, place in the plan). */
	readonly order: readonly number[];
	readonly groups: readonly Group[];
	readonly gpuIndices: readonly number[];
	readonly gpuOf: ReadonlyMap<string, number>;
	readonly sessionOf: ReadonlyMap<ReplicaId, number>;
}

interface Session {
	readonly planned: PlannedSession;
	/** Ids of its first and of its second attempt. */
	readonly ids: readonly [ReplicaId, ReplicaId];
	readonly gpus: readonly number[];
	readonly group: number;
}

/** Sessions of one model in one role: they share a queue of pending calls. */
interface Group {
	readonly model: PlannedSession['model'];
	readonly role: CallRole;
	readonly members: readonly number[];
}

const outlines = new WeakMap<Plan, Outline>();

function outlineOf(plan: Plan): Outline {
	let outline = outlines.get(plan);
	if (outline === undefined) {
		outline = makeOutline(plan);
		outlines.set(plan, outline);
	}
	return outline;
}

function makeOutline(plan: Plan): Outline {
	const gpuOf = new Map<string, number>();
	const groupOf = new Map<string, number>();
	const groups: { model: PlannedSession['model']; role: CallRole; members: number[] }[] = [];
	const prefix = plan.revision === undefined ? '' : `p${plan.revision}`;
	const sessions = plan.sessions.map((planned, index): Session => {
		const { model, role } = planned;
		const key = `${role}/${model}`;
		const group = groupOf.get(key) ?? groups.push({ model, role, members: [] }) - 1;
		groupOf.set(key, group);
		groups[group]?.members.push(index);
		const gpus = planned.gpus.map((gpu) => {
			const known = gpuOf.get(gpu) ?? gpuOf.size;
			gpuOf.set(gpu, known);
			return known;
		});
		return {
			planned,
			ids: [replicaId(`${prefix}s${index}-${model}`), replicaId(`${prefix}s${index}r1-${model}`)],
			gpus,
			group,
		};
	});
	const phaseOf = (index: number): number => plan.sessions[index]?.phase ?? 0;
	const order = sessions.map((_, index) => index).sort((a, b) => phaseOf(a) - phaseOf(b) || a - b);
	const sessionOf = new Map(sessions.flatMap(({ ids }, index) => ids.map((id) => [id, index] as const)));
	return { sessions, order, groups, gpuIndices: [...gpuOf.values()], gpuOf, sessionOf };
}

/** waiting: to be started (again); ended: its replica stopped, or failed for good, or it was never needed. */
type Stage = 'waiting' | 'loading' | 'awake' | 'stopping' | 'ended';

interface SessionStatus {
	readonly session: Session;
	stage: Stage;
	attempt: 0 | 1;
	/** Its latest replica. */
	replica: ReplicaView | undefined;
	/** Calls given to its replicas so far. */
	dispatched: number;
	/** Place among the sessions of its model that still serve: the first ones take the remainder of an uneven division. */
	place: number;
}

function statusesOf(outline: Outline, view: View): SessionStatus[] {
	const statuses = outline.sessions.map(
		(session): SessionStatus => ({
			session,
			stage: 'waiting',
			attempt: 0,
			replica: undefined,
			dispatched: 0,
			place: 0,
		}),
	);
	for (const replica of view.replicas) {
		const status = statuses[outline.sessionOf.get(replica.id) ?? -1];
		if (status === undefined) continue;
		const { ids, planned } = status.session;
		status.dispatched += replica.dispatched[planned.role];
		if (replica.id === ids[0] && status.attempt === 1) continue;
		status.attempt = replica.id === ids[0] ? 0 : 1;
		status.replica = replica;
		status.stage = stageOf(replica);
	}
	return statuses;
}

function stageOf({ state }: ReplicaView): Stage {
	switch (state) {
		case 'awake':
			return 'awake';
		case 'stopping':
			return 'stopping';
		case 'stopped':
		case 'failed':
			return 'ended';
		default:
			return 'loading';
	}
}

interface GroupStatus {
	/** Sessions that still serve or will. */
	serving: number;
	/** Calls that ended sessions left undone; negative when they did more than their share. */
	readonly leftOver: number;
	/** Pending calls given out so far in this round. */
	taken: number;
}

/** Looks at one model's sessions together; starts a failed one again, or gives its calls up, when no other session can serve them. */
function groupStatus(
	group: Group,
	sessions: readonly SessionStatus[],
	view: View,
	actions: Action[],
): GroupStatus {
	let serving = 0;
	let leftOver = 0;
	let retry: SessionStatus | undefined;
	let anyFailed = false;
	for (const index of group.members) {
		const status = sessions[index] as SessionStatus;
		if (status.stage !== 'ended' && status.stage !== 'stopping') {
			status.place = serving++;
			continue;
		}
		leftOver += (status.session.planned.calls ?? 0) - status.dispatched;
		if (status.replica?.state !== 'failed') continue;
		anyFailed = true;
		if (status.attempt === 0) retry ??= status;
	}
	if (serving === 0 && anyFailed) {
		const pending = view.pending(group.model, group.role);
		if (retry !== undefined && (pending.length > 0 || !nothingMoreComes(group.role, view))) {
			retry.stage = 'waiting';
			retry.attempt = 1;
			serving = 1;
		} else for (const call of pending) actions.push({ type: 'cancel', call: call.id });
	}
	return { serving, leftOver, taken: 0 };
}

/** Gives an awake replica its share of what is pending, or stops it when that share has ended. */
function serve(status: SessionStatus, group: GroupStatus, view: View, actions: Action[]): void {
	const { session, replica, dispatched } = status;
	if (replica === undefined) return;
	const { model, role } = session.planned;
	const wanted = quota(status, group) - dispatched;
	const pending = wanted > 0 ? view.pending(model, role) : [];
	const count = Math.min(Math.max(0, wanted), pending.length - group.taken);
	for (let i = group.taken; i < group.taken + count; i++) {
		const call = pending[i];
		if (call !== undefined) actions.push({ type: 'dispatch', call: call.id, replica: replica.id });
	}
	group.taken += Math.max(0, count);
	if (count > 0 || replica.openCalls > 0) return;
	if (wanted <= 0 || nothingMoreComes(role, view)) actions.push({ type: 'stop', replica: replica.id });
}

/** Calls a session is to serve in all: its share and its part of what failed sessions left; everything when it is the last. */
function quota(status: SessionStatus, group: GroupStatus): number {
	const { calls } = status.session.planned;
	if (calls === null || group.serving === 1) return Number.POSITIVE_INFINITY;
	const leftOver = Math.max(0, group.leftOver);
	const part = Math.floor(leftOver / group.serving) + (status.place < leftOver % group.serving ? 1 : 0);
	return calls + part;
}

/** Whether a session that has not started can be passed over. Marks it as ended. */
function nothingLeftFor(status: SessionStatus, group: GroupStatus, view: View): boolean {
	const { calls, model, role } = status.session.planned;
	const noShare = calls === 0 && group.serving > 1 && group.leftOver <= 0;
	const noCall = nothingMoreComes(role, view) && view.pending(model, role).length === 0;
	if (!noShare && !noCall) return false;
	status.stage = 'ended';
	group.serving--;
	return true;
}

/** Experts load before their first query comes; an aggregator waits until one is needed. */
const isWorthStarting = ({ session }: SessionStatus, view: View): boolean => {
	const { model, role } = session.planned;
	return role === 'expert' || view.pending(model, role).length > 0;
};

/** Whether no further call of this role can become pending. */
const nothingMoreComes = (role: CallRole, view: View): boolean =>
	view.allArrived && (role === 'expert' || view.openExpertCalls === 0);
