/** Starts and ends one real vLLM server, for the recorders. Shares nothing with the product, so that it can judge it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RealServerOptions {
	/** Python of the installation. */
	readonly python: string;
	/** Below which `models/NAME` lies; the server's working folder, so that its answers name no path of this machine. */
	readonly folder: string;
	/** Name of the model folder; also the served name. */
	readonly model: string;
	readonly port: number;
	readonly core: number;
	/** Development endpoints: sleep, pause, reset_prefix_cache, abort_requests. */
	readonly developmentMode: boolean;
	readonly extraArguments?: readonly string[];
}

export interface RealServer {
	readonly baseUrl: string;
	readonly logFile: string;
	readonly startSeconds: number;
	/** Ends its process group; resolves when the group is gone. */
	stop(): Promise<void>;
}

const START_LIMIT_SECONDS = 300;

/** The environment of a server on CPU cores, as `../shared/vllm-facts.md` section 7 has it. */
export const cpuEnvironment = (core: number): Record<string, string> => ({
	VLLM_TARGET_DEVICE: 'cpu',
	HF_HUB_OFFLINE: '1',
	VLLM_NO_USAGE_STATS: '1',
	VLLM_HOST_IP: '127.0.0.1',
	PYTHONHASHSEED: '0',
	VLLM_CPU_OMP_THREADS_BIND: String(core),
});

/** A server that ended, or was not ready in time. */
export class StartFailure extends Error {
	readonly exitCode: number | null;
	readonly log: string;

	constructor(what: string, exitCode: number | null, log: string) {
		super([what, ...log.trimEnd().split('\n').slice(-30)].join('\n'));
		this.exitCode = exitCode;
		this.log = log;
	}
}

/** @throws StartFailure */
export async function startRealServer(options: RealServerOptions): Promise<RealServer> {
	const { python, folder, model, port, core, developmentMode, extraArguments = [] } = options;
	const logFolder = path.join(folder, 'logs');
	mkdirSync(logFolder, { recursive: true });
	const logFile = path.join(logFolder, `${model}-${port}.log`);
	const log = openSync(logFile, 'w');
	const startedMs = performance.now();
	const child = spawn(
		python,
		[
			...['-m', 'vllm.entrypoints.openai.api_server', '--model', `models/${model}`],
			...['--served-model-name', model, '--host', '127.0.0.1', '--port', String(port)],
			...['--dtype', 'bfloat16', '--load-format', 'dummy', '--enforce-eager'],
			...['--kv-cache-memory-bytes', '64M', '--max-num-seqs', '32', '--max-num-batched-tokens', '2048'],
			...['--generation-config', 'vllm', '--shutdown-timeout', '0', '--enable-prompt-tokens-details'],
			...extraArguments,
		],
		{
			cwd: folder,
			detached: true,
			stdio: ['ignore', log, log],
			env: {
				...process.env,
				...cpuEnvironment(core),
				...(developmentMode ? { VLLM_SERVER_DEV_MODE: '1' } : {}),
			},
		},
	);
	closeSync(log);
	const baseUrl = `http://127.0.0.1:${port}`;
	const stop = (): Promise<void> => endGroup(child);
	while (!(await isHealthy(baseUrl))) {
		const seconds = (performance.now() - startedMs) / 1000;
		if (child.exitCode === null && child.signalCode === null && seconds < START_LIMIT_SECONDS) {
			await sleep(200);
			continue;
		}
		await stop();
		const what = `${model} on port ${port} did not start within ${seconds.toFixed(0)} s`;
		throw new StartFailure(what, child.exitCode, readFileSync(logFile, 'utf8'));
	}
	return { baseUrl, logFile, startSeconds: (performance.now() - startedMs) / 1000, stop };
}

async function isHealthy(baseUrl: string): Promise<boolean> {
	try {
		return (await fetch(`${baseUrl}/health`, { signal: AbortSignal.timeout(2000) })).ok;
	} catch {
		return false;
	}
}

/** SIGTERM to the group, SIGKILL after 20 seconds. */
async function endGroup({ pid }: ChildProcess): Promise<void> {
	if (pid === undefined) return;
	signalGroup(pid, 'SIGTERM');
	for (let tries = 0; signalGroup(pid, 0); tries++) {
		if (tries === 200) signalGroup(pid, 'SIGKILL');
		await sleep(100);
	}
}

/** @returns whether somebody of the group is left */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		process.kill(-pid, signal);
		return true;
	} catch {
		return false;
	}
}
