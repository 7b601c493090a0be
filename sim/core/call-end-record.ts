import { present } from '../domain/errors.ts';
import type { ReplicaId } from '../domain/ids.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Call, CallOutcome } from '../domain/work.ts';
import type { CallWork } from './executor.ts';

/**
 * How a call's end stands in the run log.
 * @param replica null when it was on none: never dispatched, or parked
 * @param work null when it never ran
 */
export function callEndRecord(
	call: Call,
	replica: ReplicaId | null,
	outcome: CallOutcome,
	work: CallWork | null,
	nowUs: TimeUs,
): RunRecord {
	const about = { timeUs: nowUs, call: call.id, query: call.query, role: call.role, model: call.model };
	switch (outcome.kind) {
		case 'cancelled':
			return { type: 'call-cancelled', ...about, replica, outputTokens: work?.outputTokens ?? 0 };
		case 'failed':
			return { type: 'call-failed', ...about, replica, reason: outcome.reason };
		case 'finished': {
			const done = present(work, `work of call ${call.id}`);
			return {
				type: 'call-finished',
				...about,
				replica: present(replica, `replica of call ${call.id}`),
				promptTokens: done.promptTokens ?? call.promptTokens,
				outputTokens: outcome.outputTokens,
				cachedPromptTokens: done.cachedPromptTokens,
				recomputedTokens: done.recomputedTokens,
				preemptions: done.preemptions,
				...(done.migrations && { migrations: done.migrations }),
				finishReason: outcome.finishReason,
				startedUs: done.startedUs,
				firstTokenUs: done.firstTokenUs,
				answer: outcome.answer,
			};
		}
	}
}

/** What is known of a call that was given up: the tokens it had. */
export const cancelledWork = (nowUs: TimeUs, outputTokens: number): CallWork => ({
	startedUs: nowUs,
	firstTokenUs: nowUs,
	cachedPromptTokens: 0,
	recomputedTokens: 0,
	preemptions: 0,
	outputTokens,
});
