import { lowerBoundSeconds } from '../../solver/bounds.ts';
import type { RequiredWork } from '../domain/required-work.ts';
import type { MakespanBound, RunEnded } from '../domain/run-log.ts';
import type { Setup } from '../domain/setup.ts';
import { usFromSeconds } from '../domain/units.ts';
import { observedWork, requiredWork, withOwnWays } from '../run/required-work.ts';
import type { LoadedSetup } from './load-setup.ts';

/** Bound on a run whose true lengths and answers are known. To be made before the run, while its gate has learnt nothing. */
export function boundOnTruth({ setup, scheduler, gate }: LoadedSetup): MakespanBound {
	const work = requiredWork(setup, gate, scheduler.takesCuts ?? false);
	return (ended) => boundOn(setup, withOwnWays(work, ended));
}

/** Bound on a run of which only what happened is known: none where a call was cancelled, failed, or may have been cut by the gate. */
export function boundOnObserved({ setup, scheduler, gate }: LoadedSetup): MakespanBound {
	return (ended) => {
		const isCut =
			scheduler.takesCuts === true &&
			ended.some((record) => record.type === 'call-finished' && record.finishReason === 'length');
		const work = isCut ? null : observedWork(setup.queries, gate, ended);
		return work === null ? { lowerBoundUs: null } : boundOn(setup, work);
	};
}

function boundOn(
	{ cluster, profiles }: Setup,
	work: readonly RequiredWork[],
): Pick<RunEnded, 'lowerBoundUs' | 'boundParts'> {
	const { seconds, areaSeconds, lpSeconds, chainSeconds } = lowerBoundSeconds({ cluster, profiles, work });
	return {
		lowerBoundUs: usFromSeconds(seconds),
		boundParts: {
			areaUs: usFromSeconds(areaSeconds),
			lpUs: usFromSeconds(lpSeconds),
			chainUs: usFromSeconds(chainSeconds),
		},
	};
}
