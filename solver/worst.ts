import { replicaId } from '../sim/domain/ids.ts';
import type { PlannedSession } from '../sim/domain/plan.ts';
import {
	type Action,
	findProfileOn,
	type Problem,
	type Scheduler,
	type View,
} from '../sim/domain/scheduler.ts';
import { secondsFromUs } from '../sim/domain/units.ts';
import type { Call } from '../sim/domain/work.ts';
import { openEnded, unprovenEvidence, withAggregatorStage } from './static-plan.ts';
import { expertWork, workersFor } from './workers.ts';

/**
 * As slow as a legal schedule that never idles altogether can well be: one engine at a time, loaded cold on the first GPU that holds its model, serves
 * one call at a time; nothing is aggregated before every expert has answered. A control: whatever does not beat it is measured wrong.
 */
export function createWorst(): Scheduler {
	return { name: 'worst', plan: async (problem) => plan(problem), decide };
}

function plan(problem: Problem) {
	const experts = expertWork(problem).map(
		({ model, calls }, phase): PlannedSession => ({
			gpus: workersFor(problem, model)
				.slice(0, 1)
				.map(({ id }) => id),
			model,
			role: 'expert',
			calls,
			phase,
		}),
	);
	const seconds = experts.reduce((sum, session) => sum + oneByOneSeconds(problem, session), 0);
	return {
		scheduler: 'worst',
		sessions: withAggregatorStage(problem, experts),
		...openEnded(problem),
		evidence: unprovenEvidence(seconds, experts.length === 0 ? 'none' : 'heuristic'),
		details: {},
	};
}

/** The load, then every call as long as one alone takes for a mean length. */
function oneByOneSeconds(problem: Problem, { model, role, gpus, calls }: PlannedSession): number {
	const worker = problem.cluster.gpus.filter(({ id }) => gpus.includes(id));
	const profile = findProfileOn(problem.profiles, model, worker);
	if (profile === undefined || calls === null) return 0;
	const { gpuType, tensorParallel, loadUs } = profile;
	const one = problem.forecaster.session({ model, gpuType, tensorParallel, role, calls: 1 });
	const share = problem.forecaster.outputTokens(model, role).mean / one.meanOutputTokens;
	return secondsFromUs(loadUs) + calls * share * one.seconds;
}

function decide(view: View): readonly Action[] {
	const settled = view.acceptable.map((query): Action => ({ type: 'settle', query }));
	const current = view.replicas.find(({ state }) => state !== 'stopped' && state !== 'failed');
	if (current === undefined) return [...settled, ...nextSession(view)];
	if (current.state !== 'awake' || current.openCalls > 0) return settled;
	const { id: replica, model, dispatched } = current;
	// One that served experts is loaded again before it aggregates.
	const roles = dispatched.expert > 0 ? (['expert'] as const) : (['expert', 'aggregator'] as const);
	const call = roles.flatMap((role) => ready(view, { model, role })).at(0);
	if (call === undefined) return [...settled, { type: 'stop', replica }];
	return [...settled, { type: 'dispatch', call: call.id, replica }];
}

/** Starts the first session that has calls; when its engine failed twice in a row without serving any, gives them up. */
function nextSession(view: View): readonly Action[] {
	for (const session of view.plan.sessions) {
		const calls = ready(view, session);
		if (calls.length === 0) continue;
		const { model, gpus } = session;
		const before = view.replicas.filter((replica) => replica.model === model).slice(-2);
		const isHopeless =
			before.length === 2 &&
			before.every(
				({ state, dispatched }) => state === 'failed' && dispatched.expert + dispatched.aggregator === 0,
			);
		if (isHopeless) return calls.map(({ id }) => ({ type: 'cancel', call: id }));
		return [{ type: 'start', replica: replicaId(`w${view.replicas.length}-${model}`), model, gpus }];
	}
	return [];
}

/** Aggregations wait for the last expert of the last query. */
function ready(view: View, { model, role }: Pick<PlannedSession, 'model' | 'role'>): readonly Call[] {
	const mayStart = role === 'expert' || (view.allArrived && view.openExpertCalls === 0);
	return mayStart ? view.pending(model, role) : [];
}
