import type { GpuId } from '../../sim/domain/ids.ts';
import type { PlannedSession } from '../../sim/domain/plan.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { GpuState } from '../../sim/report/gpu-time.ts';

type Of<T extends RunRecord['type']> = Extract<RunRecord, { type: T }>;
const GONE = ['stopped', 'failed', 'asleep-1', 'asleep-2'];
const ENDS = [...GONE, 'stopping', 'falling-asleep'];
/** An engine that died computes no more, whatever comes of its replica. */
const QUIET = [...GONE, 'loading'];

/**
 * State of a GPU during microsecond [timeUs, timeUs + 1), by looking at everything that happened up to timeUs afresh: no state
 * is carried over, every question scans the whole past.
 */
export function stateAt(log: readonly RunRecord[], gpu: GpuId, timeUs: number): GpuState {
	const past = log.filter((one) => one.timeUs <= timeUs);
	const all = <T extends RunRecord['type']>(type: T): Of<T>[] =>
		past.filter((one): one is Of<T> => one.type === type);
	const changes = all('replica-changed');
	const replicas = [...new Set(changes.map((one) => one.replica))];
	const stateOf = (id: string) => changes.findLast((one) => one.replica === id)?.state ?? 'stopped';
	const here = replicas.filter((id) => changes.some((one) => one.replica === id && one.gpus.includes(gpu)));
	const states = here.map(stateOf).filter((state) => state !== 'stopped');

	const isActive = (id: string): boolean => {
		const at = past.findLastIndex((one) => one.type === 'engine-active' && one.replica === id);
		const said = past[at];
		if (said?.type !== 'engine-active' || !said.active) return false;
		return !past
			.slice(at)
			.some((one) => one.type === 'replica-changed' && one.replica === id && QUIET.includes(one.state));
	};
	if (here.some(isActive)) return 'busy';
	if (states.includes('loading')) return 'loading';
	if (states.some((state) => state === 'falling-asleep' || state === 'waking' || state === 'stopping'))
		return 'switching';

	const settled = new Set(all('query-settled').map((one) => one.query));
	if (all('query-arrived').every((one) => settled.has(one.query))) return 'noDemand';
	if (states.length > 0 && states.every((state) => state === 'failed')) return 'down';

	const refusal = past.some(
		(one, at) =>
			one.type === 'start-refused' &&
			one.gpus.includes(gpu) &&
			!past
				.slice(at)
				.some(
					(later) =>
						later.type === 'replica-changed' &&
						later.gpus.includes(gpu) &&
						!(later.replica === one.replica && later.timeUs === one.timeUs && GONE.includes(later.state)),
				),
	);
	if (refusal) return 'memory';

	const gone = new Set<string>();
	for (const one of past) {
		if (one.type === 'call-returned') gone.delete(one.call);
		else if ('call' in one && isEndOrDispatch(one)) gone.add(one.call);
	}
	if (replicas.length === 0) return 'barrier';
	if (all('aggregation-needed').some((one) => !gone.has(one.call)) && mayAggregate(past, gpu))
		return 'barrier';
	return heldByPhase(past, gpu, gone) ? 'barrier' : 'starved';
}

const isEndOrDispatch = (one: RunRecord): boolean =>
	['call-dispatched', 'call-finished', 'call-cancelled', 'call-failed'].includes(one.type);

/** Whether the plan leaves aggregator calls to this GPU; a plan that says nothing of them, or no more, leaves them to all. */
function mayAggregate(past: readonly RunRecord[], gpu: GpuId): boolean {
	const planAt = past.findLastIndex((one) => one.type === 'plan-made');
	const planMade = past[planAt];
	if (planMade?.type !== 'plan-made') return true;
	const sessions = [0, 1, 2].flatMap((phase) => planMade.plan.sessions.filter((one) => one.phase === phase));
	const takenBy = bindings(past, planAt, sessions);
	const left = sessions.filter((planned, index) => {
		const binding = takenBy[index];
		const ended =
			binding !== undefined &&
			past
				.slice(binding.at)
				.some(
					(one) => one.type === 'replica-changed' && one.replica === binding.id && ENDS.includes(one.state),
				);
		return planned.role === 'aggregator' && !ended;
	});
	return left.length === 0 || left.some((planned) => planned.gpus.includes(gpu));
}

function heldByPhase(past: readonly RunRecord[], gpu: GpuId, gone: ReadonlySet<string>): boolean {
	const planAt = past.findLastIndex((one) => one.type === 'plan-made');
	const planMade = past[planAt];
	if (planMade?.type !== 'plan-made') return false;
	const sessions = [0, 1, 2].flatMap((phase) => planMade.plan.sessions.filter((one) => one.phase === phase));
	const takenBy = bindings(past, planAt, sessions);
	const waiting = (model: string): boolean =>
		past.some(
			(one) =>
				one.type === 'query-arrived' &&
				one.slots.some((slot, index) => slot === model && !gone.has(`${one.query}/${index}`)),
		);
	const isUnfinished = (planned: PlannedSession, index: number): boolean => {
		const pending = planned.role === 'expert' && waiting(planned.model);
		const binding = takenBy[index];
		if (binding === undefined) return pending;
		const since = past.slice(binding.at);
		const mine = since.flatMap((one) =>
			one.type === 'replica-changed' && one.replica === binding.id ? [one] : [],
		);
		if (mine.some((one) => ENDS.includes(one.state))) return false;
		const dispatched = since.flatMap((one, at) =>
			one.type === 'call-dispatched' && one.replica === binding.id && one.role === planned.role
				? [{ call: one.call, at: binding.at + at }]
				: [],
		);
		const returned = since.filter((one) => one.type === 'call-returned' && one.replica === binding.id).length;
		const open = dispatched.some(
			({ call, at }) => !past.slice(at + 1).some((one) => 'call' in one && one.call === call),
		);
		const state = past.findLast((one) => one.type === 'replica-changed' && one.replica === binding.id);
		if (open || (state?.type === 'replica-changed' && ['loading', 'waking'].includes(state.state)))
			return true;
		return pending && (planned.calls === null || dispatched.length - returned < planned.calls);
	};
	return sessions.some(
		(own, index) =>
			own.gpus.includes(gpu) &&
			takenBy[index] === undefined &&
			isUnfinished(own, index) &&
			sessions.some(
				(other, otherIndex) =>
					other.phase < own.phase && !other.gpus.includes(gpu) && isUnfinished(other, otherIndex),
			),
	);
}

/** Which replica began each planned session, and at which record. */
function bindings(
	past: readonly RunRecord[],
	planAt: number,
	sessions: readonly PlannedSession[],
): readonly ({ id: string; at: number } | undefined)[] {
	const takenBy: ({ id: string; at: number } | undefined)[] = sessions.map(() => undefined);
	const lastChange = (id: string, upTo: number): Of<'replica-changed'> | undefined =>
		past
			.slice(0, upTo + 1)
			.findLast((one): one is Of<'replica-changed'> => one.type === 'replica-changed' && one.replica === id);
	const hasEnded = (binding: { id: string; at: number }, before: number): boolean =>
		past
			.slice(binding.at, before)
			.some((x) => x.type === 'replica-changed' && x.replica === binding.id && ENDS.includes(x.state));
	const bind = (id: string, at: number, role: string | null): void => {
		const change = lastChange(id, at);
		const index = sessions.findIndex(
			(planned, i) =>
				takenBy[i] === undefined &&
				planned.model === change?.model &&
				(role === null || planned.role === role) &&
				[...planned.gpus].sort().join() === [...change.gpus].sort().join(),
		);
		if (index >= 0) takenBy[index] = { id, at };
	};
	const ids = new Set(
		past.slice(0, planAt).flatMap((one) => (one.type === 'replica-changed' ? [one.replica] : [])),
	);
	for (const id of ids) if (!ENDS.includes(lastChange(id, planAt)?.state ?? '')) bind(id, planAt, null);
	for (let at = planAt; at < past.length; at++) {
		const one = past[at] as RunRecord;
		if (one.type === 'replica-changed' && (one.state === 'loading' || one.state === 'waking')) {
			const serves = takenBy.some((binding) => binding?.id === one.replica && !hasEnded(binding, at));
			if (!serves) bind(one.replica, at, null);
		}
		if (one.type === 'replica-changed' && one.state === 'failed')
			takenBy.forEach((binding, index) => {
				if (binding?.id === one.replica && !hasEnded(binding, at)) takenBy[index] = undefined;
			});
		if (one.type !== 'call-dispatched') continue;
		const serves = sessions.some((planned, index) => {
			const binding = takenBy[index];
			return binding?.id === one.replica && planned.role === one.role && !hasEnded(binding, at);
		});
		if (!serves) bind(one.replica, at, one.role);
	}
	return takenBy;
}
