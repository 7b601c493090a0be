import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createBackend } from '../../../live/backends/index.ts';
import { startClock } from '../../../live/clock.ts';
import { createContent } from '../../../live/content/create-content.ts';
import { LiveExecutor } from '../../../live/executor/live-executor.ts';
import type { ProcessRecord } from '../../../live/happening.ts';
import type { ExecutorEvent } from '../../../sim/core/executor.ts';
import { present } from '../../../sim/domain/errors.ts';
import type { BackendName } from '../../../sim/domain/live.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import type { ExecutorWorld } from './executor-contract.ts';

export interface LiveWorldOptions {
	readonly backend: BackendName;
	readonly setup: Setup;
	readonly speed: number;
}

/** Between two looks at calls that are to bring tokens. */
const LOOK_MS = 5;

/** In which every server generates several, whatever else its machine does: an emulator dozens, vLLM on two cores that load another engine ten. */
const SOME_TOKENS_MS = { emulator: 50, endpoint: 50, vllm: 300 } as const;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The live executor on real processes, without controller and scheduler. */
export async function openLive({ backend: name, setup, speed }: LiveWorldOptions): Promise<ExecutorWorld> {
	const logFolder = mkdtempSync(path.join(tmpdir(), 'mosaic-contract-'));
	const backend = createBackend(name, setup, { environment: process.env, speed, logFolder });
	await backend.check();
	const happened: ExecutorEvent[] = [];
	const pids = new Map<string, number>();
	let wake = (): void => undefined;
	const executor = new LiveExecutor({
		backend,
		clock: startClock(speed),
		content: createContent(setup, backend),
		settings: setup.live,
		runId: path.basename(logFolder),
		logFolder,
		sampleUs: 1e6,
		happened({ event }) {
			if (event.kind === 'engine-sample') return;
			happened.push(event);
			wake();
		},
		process(record: ProcessRecord) {
			if (record.kind === 'spawned') pids.set(record.replica, record.pid);
		},
		environment: process.env,
	});
	return {
		setup,
		executor,
		async event() {
			while (happened.length === 0)
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
			return happened.shift() as ExecutorEvent;
		},
		async untilRunning(calls) {
			const running = (): number =>
				executor.snapshot().reduce((sum, { runningCalls }) => sum + runningCalls, 0);
			while (running() < calls) await pause(LOOK_MS);
			// The first tokens of a model that babbles may be no whole character: then none could be taken along.
			await pause(SOME_TOKENS_MS[name]);
		},
		/** Its front end alone: what that leaves behind is for the executor to find. */
		kill: (replica) => void process.kill(present(pids.get(replica), 'process of a replica'), 'SIGKILL'),
		async close() {
			await executor.close();
			rmSync(logFolder, { recursive: true, force: true });
			return happened;
		},
	};
}
