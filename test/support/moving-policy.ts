/** A scheduler that does everything a live run has to carry: it cuts, moves, parks, settles early and cancels. What it orders follows from its view alone. */
import { type CallId, modelId, replicaId } from '../../sim/domain/ids.ts';
import type { Action, OpenCall, Scheduler, View } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Call } from '../../sim/domain/work.ts';
import { emptyPlan } from './empty-plan.ts';
import { type SmallQuery, smallSetup } from './setup-builder.ts';

const MODEL = modelId('a');
const FIRST = replicaId('first');
const SECOND = replicaId('second');

/** Every fourth expert slot is cut here, and so is every second aggregator. */
export const CUT_TOKENS = 30;

export const isCut = ({ id, role }: Pick<Call, 'id' | 'role'>): boolean =>
	role === 'expert' ? /[37]\/\d+$/.test(id) : /[02468]\//.test(id);

/** Twelve queries of three slots on one model, two GPUs for two replicas of it. */
export function movingSetup(): Setup {
	const queries = Array.from(
		{ length: 12 },
		(_, index): SmallQuery => ({
			calls: ['A', index % 3 === 0 ? 'B' : 'A', index % 2 === 0 ? 'A' : 'C'].map((answer, slot) => ({
				model: 'a',
				promptTokens: 20,
				outputTokens: 10 + ((index * 37 + slot * 53) % 90),
				answer,
			})),
			aggregatorOutputTokens: 25 + (index % 3) * 5,
			aggregatorAnswer: 'B',
		}),
	);
	return smallSetup({ queries, aggregator: { model: 'a', tensorParallel: 1 }, gate: 'majority' });
}

export const movingPolicy: Scheduler = {
	name: 'moving',
	async plan() {
		return emptyPlan('moving');
	},
	decide: (view) => (view.replicas.length === 0 ? starts(view) : [...settlements(view), ...work(view)]),
};

const starts = ({ cluster }: View): Action[] =>
	[FIRST, SECOND].map((replica, index) => ({
		type: 'start',
		replica,
		model: MODEL,
		gpus: [cluster.gpus[index]?.id as never],
	}));

/** As soon as a vote is certain; calls that nobody needs any more are given up. */
function settlements(view: View): Action[] {
	return [...view.acceptable, ...view.foreseen].flatMap((query): Action[] => [
		{ type: 'settle', query },
		...view
			.query(query)
			.slots.filter(({ state }) => ['pending', 'dispatched', 'parking'].includes(state))
			.map(({ call }): Action => ({ type: 'cancel', call })),
	]);
}

/** Everything begins on the first replica, and every second call ends on the other. */
function work(view: View): Action[] {
	const settled = new Set([...view.acceptable, ...view.foreseen]);
	const awake = (id: typeof FIRST) => view.replicas.find((each) => each.id === id)?.state === 'awake';
	if (!awake(FIRST)) return [];
	const open = view.openOn(FIRST).filter(({ call }) => !settled.has(call.query));
	const moving = awake(SECOND) ? open.filter((each) => wantsToMove(each, view)) : [];
	// Of those that stay some are laid aside once; somebody must be left whose end brings them back to mind.
	const staying = open.filter((each) => !moving.includes(each));
	const parking = staying.slice(2).filter((each) => wantsToWait(each, view));
	const room = 6 - staying.length + parking.length;
	const next = [...view.pending(MODEL, 'aggregator'), ...view.pending(MODEL, 'expert')]
		.filter(({ query }) => !settled.has(query))
		.slice(0, Math.max(0, room));
	return [
		...parking.map(({ call }): Action => ({ type: 'park', call: call.id })),
		...moving.map(({ call }): Action => ({ type: 'migrate', call: call.id, replica: SECOND })),
		...next.map((call): Action => {
			const cut = isCut(call) ? { maxOutputTokens: CUT_TOKENS } : {};
			return { type: 'dispatch', call: call.id, replica: FIRST, ...cut };
		}),
	];
}

const wantsToMove = ({ call, dispatchedUs }: OpenCall, { nowUs }: View): boolean =>
	numberOf(call.id) % 2 === 0 && nowUs > dispatchedUs;

const wantsToWait = ({ call, dispatchedUs, carriedTokens }: OpenCall, { nowUs }: View): boolean =>
	numberOf(call.id) % 3 === 0 && nowUs > dispatchedUs && carriedTokens === 0;

const numberOf = (id: CallId): number => [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
