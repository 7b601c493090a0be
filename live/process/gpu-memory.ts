import { execFile } from 'node:child_process';

/** Asks for one line per process that holds GPU memory: its id. */
const QUERY = ['--query-compute-apps=pid', '--format=csv,noheader'] as const;

const LOOK_MS = 250;
const LIMIT_MS = 20_000;

/** @returns ids of all processes that hold memory of a GPU; null when there is nobody to ask */
export type ComputeProcesses = () => Promise<ReadonlySet<number> | null>;

/**
 * The driver takes memory back a little after a process is gone, and a server that starts before that miscounts what is free.
 * @param pids processes that have ended
 */
export async function gpuMemoryIsBack(
	pids: readonly number[],
	computeProcesses: ComputeProcesses = nvidiaSmi,
	lookMs = LOOK_MS,
): Promise<void> {
	const endMs = performance.now() + LIMIT_MS;
	while (performance.now() < endMs) {
		const holders = await computeProcesses();
		if (holders === null || !pids.some((pid) => holders.has(pid))) return;
		await new Promise((resolve) => setTimeout(resolve, lookMs));
	}
}

const nvidiaSmi: ComputeProcesses = () =>
	new Promise((resolve) => {
		execFile('nvidia-smi', QUERY, { timeout: 10_000 }, (error, output) =>
			resolve(error === null ? new Set(output.split('\n').map(Number)) : null),
		);
	});
