import type { QueryId, ReplicaId } from '../sim/domain/ids.ts';
import type { Action, Problem, Scheduler, View } from '../sim/domain/scheduler.ts';
import { secondsFromUs } from '../sim/domain/units.ts';
import { moves } from './adaptive/balance.ts';
import { dispatches } from './adaptive/dispatch.ts';
import { type Expectations, expect } from './adaptive/estimates.ts';
import { lastResort } from './adaptive/last-resort.ts';
import { Outlook } from './adaptive/outlook.ts';
import { placements } from './adaptive/placement.ts';
import { parseSwitches, type Switches } from './adaptive/switches.ts';
import { tensorMoves } from './adaptive/tensor.ts';
import { TUNING, type Tuning } from './adaptive/tuning.ts';
import type { TrueOutputTokens } from './deps.ts';
import { expectedBoundSeconds } from './expected-bound.ts';
import { unprovenEvidence } from './static-plan.ts';
import { checkFits, expertWork } from './workers.ts';

/**
 * Decides as it goes: GPUs take the model that needs them most, calls stay unassigned until a replica has room for them, votes that are certain
 * are settled at once and their open calls cancelled, and aggregations run as soon as they are ready. The plan holds expectations only.
 * @param name `adaptive`, or with switches: `adaptive:all-cuts`, `adaptive:none+early+order`
 * @param trueOutputTokens where they are known beforehand: they then stand in place of expected ones
 * @throws UsageError E_UNKNOWN_SWITCH; in planning E_MODEL_FITS_NO_GPU
 */
export function createAdaptive(
	name = 'adaptive',
	tuning: Partial<Tuning> = {},
	trueOutputTokens: TrueOutputTokens | null = null,
): Scheduler {
	const switches = parseSwitches(name);
	return {
		name,
		takesCuts: switches.cuts,
		plan: async (problem) => plan(name, problem, switches, { ...TUNING, ...tuning }),
		decide: (view) => decide(view, trueOutputTokens),
	};
}

function plan(name: string, problem: Problem, switches: Switches, tuning: Tuning) {
	const expected = expect(problem, switches, tuning);
	const work = expertWork(problem);
	for (const { model } of work) checkFits(problem, model);
	if (problem.aggregator !== null && work.length > 0) checkFits(problem, problem.aggregator.model);
	return {
		scheduler: name,
		dynamic: true,
		sessions: [],
		evidence: unprovenEvidence(expectedBoundSeconds(problem), work.length === 0 ? 'none' : 'heuristic'),
		memory: { expected },
		details: {
			switches: expected.switches,
			tuning: expected.tuning,
			aggregatedShare: expected.aggregatedShare,
		},
	} as const;
}

function decide(view: View, trueOutputTokens: TrueOutputTokens | null): readonly Action[] {
	const outlook = new Outlook(view, view.plan.memory?.expected as Expectations, trueOutputTokens);
	const given = new Set<ReplicaId>();
	const settled = settlements(outlook);
	const { switches } = outlook.expected;
	if (switches.tensor && switches.park && settled.length === 0) {
		const together = tensorMoves(outlook);
		if (together !== null) return together;
	}
	const actions: Action[] = [
		...settled,
		...dispatches(outlook, given),
		...moves(outlook, given),
		...placements(outlook, given),
	];
	if (switches.replan && isReplanDue(outlook)) actions.push({ type: 'replan' });
	return actions.length > 0 ? actions : lastResort(outlook);
}

/** Estimates are made again now and then, from what has ended and what still runs. */
function isReplanDue({ view, expected, tables }: Outlook): boolean {
	return secondsFromUs(view.nowUs - tables.sinceUs) >= expected.tuning.replanSeconds;
}

/** Accepts votes that stand, or will stand whatever comes: then the calls that are still open are given up. */
function settlements(outlook: Outlook): readonly Action[] {
	const { view, expected } = outlook;
	const actions: Action[] = view.acceptable.map((query) => ({ type: 'settle', query }));
	if (!expected.switches.early) return actions;
	for (const query of view.acceptable) actions.push(...giveUp(outlook, query));
	for (const query of view.foreseen) actions.push({ type: 'settle', query }, ...giveUp(outlook, query));
	return actions;
}

/** Cancels what is open of a query that needs no further answer. */
function giveUp(outlook: Outlook, query: QueryId): readonly Action[] {
	const open = outlook.view
		.query(query)
		.slots.filter(({ state }) => state === 'pending' || state === 'dispatched' || state === 'parking');
	for (const { call } of open) outlook.take(call);
	return open.map(({ call }) => ({ type: 'cancel', call }));
}
