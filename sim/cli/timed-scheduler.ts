import type { Plan } from '../domain/plan.ts';
import type { Scheduler } from '../domain/scheduler.ts';

/** A scheduler whose planning is timed and can be given up; its decisions are untouched. */
export interface TimedScheduler {
	readonly scheduler: Scheduler;
	/** Seconds that all planning took so far. */
	measuredSolveSeconds(): number;
}

/**
 * @param signal when aborted, `plan` rejects at once with the signal's reason instead of waiting for a solver
 */
export function timed(scheduler: Scheduler, clockSeconds: () => number, signal: AbortSignal): TimedScheduler {
	let measured = 0;
	return {
		scheduler: {
			name: scheduler.name,
			...(scheduler.takesCuts && { takesCuts: true }),
			...(scheduler.knowsLengths && { knowsLengths: true }),
			decide: (view) => scheduler.decide(view),
			async plan(problem): Promise<Plan> {
				const start = clockSeconds();
				try {
					return await orAborted(scheduler.plan(problem), signal);
				} finally {
					measured += clockSeconds() - start;
				}
			},
		},
		measuredSolveSeconds: () => measured,
	};
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
	signal.throwIfAborted();
	let stop: (() => void) | undefined;
	const aborted = new Promise<never>((_resolve, reject) => {
		stop = () => reject(signal.reason);
		signal.addEventListener('abort', stop);
	});
	try {
		return await Promise.race([work, aborted]);
	} finally {
		if (stop !== undefined) signal.removeEventListener('abort', stop);
	}
}
