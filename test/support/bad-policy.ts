/** Schedulers that are wrong on purpose, each in one way: the contract suite must catch every one. */
import { replicaId } from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { Action, Scheduler, View } from '../../sim/domain/scheduler.ts';
import { createScheduler } from '../../solver/index.ts';

type Decide = (view: View, actions: readonly Action[]) => readonly Action[];

/** What is wrong with each, and how the suite says so. */
export const badPolicies: Readonly<
	Record<string, { readonly create: () => Scheduler; readonly caught: RegExp }>
> = {
	'dispatches to a replica that still loads': {
		create: () => spoil((view, actions) => [...dispatchTo(view, 'loading'), ...actions]),
		caught: /^run: .*is loading, so call .* cannot go there/,
	},
	'drops one call': {
		create: () =>
			spoil((_, actions) =>
				actions.filter((action) => action.type !== 'dispatch' || !action.call.startsWith('q1/')),
			),
		caught: /^run: .*left \d+ of \d+ queries unsettled/,
	},
	'dispatches a call twice': {
		create: () =>
			spoil((_, actions) => [
				...actions,
				...actions.filter((action) => action.type === 'dispatch').slice(0, 1),
			]),
		caught: /^run: .*is dispatched, not pending/,
	},
	'stops a replica at work': {
		create: () => spoil((view, actions) => [...actions, ...stopBusy(view)]),
		caught: /^run: .*calls have not ended/,
	},
	'starts two engines on one GPU': {
		create: () => spoil((view, actions) => [...actions, ...startBeside(view, 'neighbour')]),
		caught: /^memory: start of neighbour refused, .*one engine at a time per GPU/,
	},
	'starts what does not fit in memory': {
		create: () =>
			spoil((view, actions) => [
				...actions,
				...['n1', 'n2', 'n3', 'n4'].flatMap((name) => startBeside(view, name)),
			]),
		caught: /^memory: start of n\d refused/,
	},
	'settles a query before its gate accepts': {
		create: () =>
			spoil((view, actions) => {
				const dispatch = actions.find((action) => action.type === 'dispatch');
				if (dispatch === undefined) return actions;
				return [...actions, { type: 'settle', query: view.query(queryOf(dispatch.call)).query.id }];
			}),
		caught: /^run: .*the gate has not accepted the vote/,
	},
	'remembers what it did': {
		create: () => {
			let looks = 0;
			return spoil((_, actions) => (looks++ % 2 === 0 ? actions : []));
		},
		caught: /^pure: /,
	},
	'sorts the view in place': {
		create: () =>
			spoil((view, actions) => {
				(view.replicas as View['replicas'][number][]).sort((a, b) => b.openCalls - a.openCalls);
				return actions;
			}),
		caught: /^view: .*read only/,
	},
	'plans fewer calls than there are': {
		create: () => misplan((plan) => ({ ...plan, sessions: plan.sessions.map(oneCallLess) })),
		caught: /^plan: shares of .* add up to/,
	},
	'plans one thing and does another': {
		create: () => {
			const base = roundRobin();
			return {
				...base,
				plan: async (problem) => {
					const plan = await base.plan(problem);
					return { ...plan, sessions: [...plan.sessions].map(toFirstGpu) };
				},
				decide: (view) => base.decide({ ...view, plan: scattered(view) }),
			};
		},
		caught: /^shares: .*planned \d+, given undefined/,
	},
	'claims a bound above its objective': {
		create: () =>
			misplan((plan) => ({
				...plan,
				evidence: { ...plan.evidence, boundSeconds: plan.evidence.objectiveSeconds + 1, gap: -1 },
			})),
		caught: /^plan: its bound lies above its objective/,
	},
};

const roundRobin = (): Scheduler => createScheduler('round-robin', { clockSeconds: () => 0 });

function spoil(decide: Decide): Scheduler {
	const base = roundRobin();
	return { ...base, decide: (view) => decide(view, base.decide(view)) };
}

function misplan(change: (plan: Plan) => Plan): Scheduler {
	const base = roundRobin();
	return { ...base, plan: async (problem) => change(await base.plan(problem)) };
}

function dispatchTo(view: View, state: string): Action[] {
	const replica = view.replicas.find((candidate) => candidate.state === state);
	const call = replica === undefined ? undefined : view.pending(replica.model, 'expert')[0];
	return replica === undefined || call === undefined
		? []
		: [{ type: 'dispatch', call: call.id, replica: replica.id }];
}

const stopBusy = (view: View): Action[] =>
	view.replicas
		.filter(({ state, openCalls }) => state === 'awake' && openCalls > 0)
		.map(({ id }) => ({ type: 'stop', replica: id }));

/** One more replica of the first awake replica's model, on its GPUs; and away with it when it is awake. */
function startBeside(view: View, name: string): Action[] {
	const id = replicaId(name);
	const own = view.replicas.find((replica) => replica.id === id);
	if (own !== undefined) return own.state === 'awake' ? [{ type: 'stop', replica: id }] : [];
	const awake = view.replicas.find(({ state }) => state === 'awake');
	return awake === undefined ? [] : [{ type: 'start', replica: id, model: awake.model, gpus: awake.gpus }];
}

const queryOf = (call: string): View['acceptable'][number] =>
	call.slice(0, call.indexOf('/')) as View['acceptable'][number];

const oneCallLess = (session: Plan['sessions'][number]): Plan['sessions'][number] =>
	session.calls === null ? session : { ...session, calls: session.calls - 1 };

const toFirstGpu = (
	session: Plan['sessions'][number],
	_: number,
	all: readonly Plan['sessions'][number][],
) => (session.role === 'expert' ? { ...session, gpus: all[0]?.gpus ?? session.gpus } : session);

/** The plan as if its expert sessions had been dealt to the last GPU. */
function scattered({ plan, cluster }: View): Plan {
	const last = cluster.gpus.at(-1);
	const gpus = last === undefined ? [] : [last.id];
	return {
		...plan,
		sessions: plan.sessions.map((session) => (session.role === 'expert' ? { ...session, gpus } : session)),
	};
}
