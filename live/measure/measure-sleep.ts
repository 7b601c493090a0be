import type { SleepLevel } from '../../sim/domain/model.ts';
import { type TimeUs, usFromSeconds } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import type { ServerClient } from '../http/server-client.ts';
import { sendCalls } from './send-calls.ts';

export interface SleepMeasurement {
	readonly sleepUs: readonly TimeUs[];
	/** From the order to wake until the next token. */
	readonly wakeUs: readonly TimeUs[];
	/** What was held on each GPU while asleep; null when nobody can say. */
	readonly sleepingGpuBytes: number | null;
}

const LIMIT_US = usFromSeconds(600);

/** Puts a server to sleep and wakes it, `times` times. */
export async function measureSleep(
	client: ServerClient,
	level: SleepLevel,
	times: number,
	clock: LiveClock,
	takesScripts: boolean,
	gpuBytes: () => Promise<number | null>,
	signal: AbortSignal,
): Promise<SleepMeasurement> {
	const sleepUs: TimeUs[] = [];
	const wakeUs: TimeUs[] = [];
	let sleepingGpuBytes: number | null = null;
	for (let time = 0; time < times; time++) {
		const orderedUs = clock.nowUs();
		await client.sleep(level, LIMIT_US, signal);
		const asleepUs = clock.nowUs();
		sleepingGpuBytes ??= await gpuBytes();
		const wakingUs = clock.nowUs();
		await client.wake(level, LIMIT_US, signal);
		const order = { stream: `awake ${level} ${time}`, promptTokens: 1, outputTokens: 1 };
		await sendCalls(client, [order], clock, takesScripts, signal);
		sleepUs.push(asleepUs - orderedUs);
		wakeUs.push(clock.nowUs() - wakingUs);
	}
	return { sleepUs, wakeUs, sleepingGpuBytes };
}
