import type { ModelId } from '../../sim/domain/ids.ts';
import type { Action } from '../../sim/domain/scheduler.ts';
import { groupOf } from './gpu-groups.ts';
import type { Outlook } from './outlook.ts';
import { ROLES } from './queues.ts';
import { isServing } from './replicas.ts';
import { isAtRest } from './tensor.ts';

/**
 * Models that fit on no GPU alone, when nothing else has anything to do: one of them on a group of GPUs. And calls that nobody can serve any more: they
 * are given up, so that the run ends and its log says what was lost.
 */
export function lastResort(outlook: Outlook): Action[] {
	const { view, replicas } = outlook;
	const stranded = outlook.models.filter(
		(model) =>
			outlook.pendingCount(model) > 0 &&
			!replicas.some((replica) => replica.model === model && isServing(replica)) &&
			!view.cluster.gpus.some(({ id }) => outlook.canStart(model, [id])),
	);
	const actions: Action[] = [];
	let wide: ModelId | undefined;
	for (const model of stranded) {
		const group = groupOf(view, model);
		if (group !== undefined && outlook.canStart(model, group)) {
			wide ??= model;
			continue;
		}
		for (const role of ROLES)
			for (const { id } of view.pending(model, role))
				if (!outlook.isTaken(id)) actions.push({ type: 'cancel', call: id });
	}
	return wide === undefined ? actions : [...actions, ...startWide(outlook, wide)];
}

/** Clears the group first; one thing after another. */
function startWide(outlook: Outlook, model: ModelId): Action[] {
	const { view, replicas } = outlook;
	const group = groupOf(view, model) ?? [];
	const here = replicas.filter(({ gpus }) => gpus.some((gpu) => group.includes(gpu)));
	const othersHaveWork = replicas.some((replica) => replica.openCalls > 0 || replica.state === 'loading');
	if (othersHaveWork) return [];
	const stops = here.filter(isAtRest).map(({ id }): Action => ({ type: 'stop', replica: id }));
	if (here.length > 0) return stops;
	return [{ type: 'start', replica: outlook.newReplica(model), model, gpus: group }];
}
