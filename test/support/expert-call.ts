import { expertCallId, modelId, queryId } from '../../sim/domain/ids.ts';
import type { Call } from '../../sim/domain/work.ts';

/** Of every call below. */
export const MODEL = modelId('m');

/** A call of which only its place in the workload matters. */
export const expertCall = (query: number, slotIndex: number): Call => ({
	id: expertCallId(queryId(`q${query}`), slotIndex),
	query: queryId(`q${query}`),
	task: 't',
	role: 'expert',
	slotIndex,
	model: MODEL,
	promptTokens: 1,
	maxOutputTokens: 1,
});
