import type { Outlook } from './outlook.ts';
import { ROLES } from './queues.ts';

/** Microseconds of one GPU, for all pending calls and the aggregations to come. */
export function waitingUs(outlook: Outlook): number {
	let us = comingUs(outlook);
	for (const model of outlook.models) {
		const profile = outlook.anyProfile(model);
		if (profile === undefined) continue;
		for (const role of ROLES) us += outlook.callsUs(profile, role, outlook.view.pending(model, role));
	}
	return us;
}

/** Of one GPU, for the aggregations that queries with their experts are expected to need. */
function comingUs(outlook: Outlook): number {
	const { view, replicas } = outlook;
	const { aggregator, aggregatedShare } = outlook.expected;
	if (aggregator === null) return 0;
	const profile = outlook.anyProfile(aggregator);
	if (profile === undefined) return 0;
	let begun = view.pending(aggregator, 'aggregator').length;
	for (const { id, model } of replicas)
		if (model === aggregator) for (const { call } of view.openOn(id)) if (call.role === 'aggregator') begun++;
	const queries = Math.max(0, view.openQueries - begun);
	return queries * aggregatedShare * outlook.callUs(profile, 'aggregator');
}
