import type { TimeUs } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import { ServerFailure } from '../http/failure.ts';
import type { ServerClient } from '../http/server-client.ts';
import { secondsText, timeLimitUs } from '../http/time-limit.ts';
import { lastError } from '../process/log-tail.ts';
import type { ServerProcess } from '../process/server-process.ts';

/** Why a server did not come up. The world's failure, a value. */
export interface StartFailure {
	readonly reason: string;
	/** Another start would fail again. */
	readonly isFinal: boolean;
	/** Somebody else has its port; on another one it may come up. */
	readonly portTaken?: boolean;
}

/** Between two looks, in run time and at least in wall time: a scaled run is measured by it, a real start takes a minute. */
const LOOK_US = 200_000;
const LEAST_LOOK_MS = 5;

/** A server that is not up yet refuses connections or lets them hang. */
const ANSWER_SECONDS = 5;

export interface ReadinessParts {
	readonly client: ServerClient;
	/** Null for a server that is not ours. */
	readonly process: ServerProcess | null;
	readonly clock: LiveClock;
	readonly limitUs: TimeUs;
	readonly signal: AbortSignal;
}

/** @returns null when the server is ready or `signal` came; else why it will not be */
export async function untilReady(parts: ReadinessParts): Promise<StartFailure | null> {
	const { clock, process, signal, limitUs } = parts;
	const endUs = clock.nowUs() + limitUs;
	const lookUs = Math.max(LOOK_US, LEAST_LOOK_MS * 1000 * clock.speed);
	const given = new Promise<'over'>((resolve) => {
		if (signal.aborted) resolve('over');
		signal.addEventListener('abort', () => resolve('over'), { once: true });
		void process?.exited.then(() => resolve('over'));
	});
	let said = 'no answer';
	while (!signal.aborted) {
		if (process !== null && process.how !== null) return endedEarly(process);
		if (clock.nowUs() >= endUs)
			return { reason: `was not ready after ${secondsText(limitUs)} (${said})`, isFinal: false };
		const looked = await Promise.race([look(parts), given]);
		if (looked === 'ready') return null;
		if (typeof looked === 'object') return looked.failure;
		said = looked;
		const pause = pauseOn(clock, lookUs);
		await Promise.race([pause.over, given]);
		pause.cancel();
	}
	return null;
}

export function endedEarly(process: ServerProcess): StartFailure {
	const cause = lastError(process.logFile) ?? '';
	const reason = `${process.how} while starting${cause === '' ? '' : `: ${cause}`}`;
	return { reason, isFinal: false, portTaken: /EADDRINUSE|Address already in use/i.test(cause) };
}

async function look({ client, clock }: ReadinessParts): Promise<string | { readonly failure: StartFailure }> {
	try {
		const healthy = await client.isHealthy(timeLimitUs(clock, ANSWER_SECONDS));
		return healthy ? 'ready' : '/health says that the engine is dead';
	} catch (error) {
		if (!(error instanceof ServerFailure)) throw error;
		const isNone = error.kind === 'not-vllm' || error.status === 404;
		if (isNone) return { failure: { reason: `is no vLLM server: /health: ${error.message}`, isFinal: true } };
		return error.message;
	}
}

function pauseOn(
	clock: LiveClock,
	us: TimeUs,
): { readonly over: Promise<void>; readonly cancel: () => void } {
	let cancel = (): void => undefined;
	const over = new Promise<void>((resolve) => {
		cancel = clock.after(us, resolve);
	});
	return { over, cancel };
}
