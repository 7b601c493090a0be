import type { CallId } from '../sim/domain/ids.ts';
import type { Action, Scheduler, View } from '../sim/domain/scheduler.ts';
import type { Call } from '../sim/domain/work.ts';

/** The same policy, except that it dispatches calls with the limits that the gate's accuracy budget pays for. */
export const withCuts = (scheduler: Scheduler): Scheduler => ({
	...scheduler,
	takesCuts: true,
	decide: (view) => cut(scheduler.decide(view), view),
});

function cut(actions: readonly Action[], view: View): readonly Action[] {
	if (!actions.some(({ type }) => type === 'dispatch')) return actions;
	const modelOf = new Map(view.replicas.map(({ id, model }) => [id, model]));
	const models = new Set(
		actions.flatMap((action) => (action.type === 'dispatch' ? [modelOf.get(action.replica)] : [])),
	);
	const calls = new Map<CallId, Call>();
	for (const model of models)
		for (const role of ['expert', 'aggregator'] as const)
			for (const call of model === undefined ? [] : view.pending(model, role)) calls.set(call.id, call);
	return actions.map((action) => {
		const call = action.type === 'dispatch' ? calls.get(action.call) : undefined;
		if (action.type !== 'dispatch' || call === undefined) return action;
		const limit = Math.min(action.maxOutputTokens ?? call.maxOutputTokens, view.cutTokens(call));
		return limit < call.maxOutputTokens ? { ...action, maxOutputTokens: limit } : action;
	});
}
