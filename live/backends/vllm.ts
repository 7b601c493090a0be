import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { ReplicaStart } from '../../sim/core/executor.ts';
import { present, UsageError } from '../../sim/domain/errors.ts';
import type { GpuId, ModelId } from '../../sim/domain/ids.ts';
import type { Gpu } from '../../sim/domain/model.ts';
import type { Backend } from '../backend.ts';
import { gpuMemoryIsBack } from '../process/gpu-memory.ts';
import { localUrl } from './local-url.ts';
import type { BackendOptions, BackendSetup } from './options.ts';
import { usedModels } from './used-models.ts';
import { vllmArguments } from './vllm-arguments.ts';

/** vLLM reads its key from here, and so do its clients. */
const KEY_VARIABLE = 'VLLM_API_KEY';

/** A stock vLLM server per replica, on this machine: with GPUs of its own, or, where there is none, with a core of its own. */
export function createVllmBackend(setup: BackendSetup, { environment }: BackendOptions): Backend {
	const { host, vllm } = setup.live;
	const gpu = (id: GpuId): Gpu =>
		present(
			setup.cluster.gpus.find((each) => each.id === id),
			`gpu ${id}`,
		);
	/** Position of a GPU on its host: what CUDA, or taskset, calls it. */
	const number = (id: GpuId): number =>
		setup.cluster.gpus.filter((each) => each.host === gpu(id).host).findIndex((each) => each.id === id);
	const model = (id: ModelId) =>
		present(
			setup.models.find((each) => each.id === id),
			`model ${id}`,
		);
	const checkpoint = (id: ModelId): string => vllm.models[id] ?? model(id).checkpoint;
	const ofServer = (start: ReplicaStart, port: number): readonly string[] =>
		vllmArguments({
			model: checkpoint(start.model),
			servedModel: start.model,
			host,
			port,
			device: vllm.device,
			profile: start.profile,
			kvBytesPerToken: model(start.model).kvBytesPerToken,
			gpuMemoryBytes: gpu(present(start.gpus[0], 'gpu of a replica')).memoryBytes,
			extraArguments: vllm.extraArguments,
		});
	return {
		name: 'vllm',
		takesScripts: false,
		sleepRefusal: vllm.device === 'cpu' ? 'vLLM has no sleep mode on a CPU' : null,
		async check() {
			checkHosts(setup);
			if (vllm.device === 'cpu') checkCores(setup, number);
			for (const id of usedModels(setup)) checkModel(id, checkpoint(id));
			await checkPython(vllm.python, { ...environment, ...vllm.environment });
		},
		command(start, port) {
			const words = ofServer(start, port);
			const numbers = start.gpus.map(number);
			if (vllm.device === 'gpu')
				return {
					executable: vllm.python,
					arguments: words,
					environment: {
						...COMMON,
						CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
						CUDA_VISIBLE_DEVICES: numbers.join(','),
						...vllm.environment,
					},
				};
			// vLLM binds its arithmetic only; its other processes would wander to the cores of other servers.
			return {
				executable: 'taskset',
				arguments: ['-c', numbers.join(','), vllm.python, ...words],
				environment: {
					...COMMON,
					VLLM_TARGET_DEVICE: 'cpu',
					VLLM_CPU_OMP_THREADS_BIND: numbers.join('|'),
					...vllm.environment,
				},
			};
		},
		prepare: () => undefined,
		address: (start, port) => ({
			baseUrl: localUrl(host, port),
			servedModel: start.model,
			apiKey: vllm.environment[KEY_VARIABLE] ?? environment[KEY_VARIABLE] ?? null,
		}),
		released: (pids) => (vllm.device === 'gpu' ? gpuMemoryIsBack(pids) : Promise.resolve()),
	};
}

const COMMON = {
	// Sleeping and waking are development endpoints.
	VLLM_SERVER_DEV_MODE: '1',
	VLLM_HOST_IP: '127.0.0.1',
	VLLM_NO_USAGE_STATS: '1',
	// A run loads what lies on this machine; it never waits for a download.
	HF_HUB_OFFLINE: '1',
	// Prefix-cache hashes, and with them hits, are the same in every start.
	PYTHONHASHSEED: '0',
} as const;

function checkHosts({ cluster }: BackendSetup): void {
	const hosts = [...new Set(cluster.gpus.map((gpu) => gpu.host))];
	if (hosts.length > 1)
		throw new UsageError(
			'E_VLLM_HOSTS',
			`cluster: expected GPUs of one host, as backend vllm starts servers on this machine only, got hosts ${hosts.join(', ')} (backend endpoint reaches servers anywhere)`,
		);
}

function checkCores({ cluster }: BackendSetup, number: (id: GpuId) => number): void {
	const cores = availableParallelism();
	const missing = cluster.gpus.find(({ id }) => number(id) >= cores);
	if (missing !== undefined)
		throw new UsageError(
			'E_VLLM_CORES',
			`live.vllm.device: expected a core for each GPU of the cluster, got ${cores} cores and none for ${missing.id}`,
		);
}

/** A hub name is left to vLLM: where it keeps its downloads depends on its environment. */
function checkModel(id: ModelId, where: string): void {
	if (!path.isAbsolute(where) && !/^\.{1,2}[\\/]/.test(where)) return;
	if (!existsSync(path.join(where, 'config.json')))
		throw new UsageError(
			'E_VLLM_MODEL',
			`live.vllm.models.${id}: expected a model folder with a config.json, got '${where}'`,
		);
}

/** Without importing it, which takes half a minute on a cold disk. */
function checkPython(python: string, env: Readonly<Record<string, string | undefined>>): Promise<void> {
	const script = 'import importlib.util, sys; sys.exit(0 if importlib.util.find_spec("vllm") else 3)';
	return new Promise((resolve, reject) => {
		execFile(python, ['-c', script], { env, timeout: 60_000 }, (error) => {
			if (error === null) resolve();
			else {
				const got =
					error.code === 'ENOENT'
						? 'no such program'
						: error.code === 3
							? 'a Python without vLLM'
							: 'a program that fails';
				reject(
					new UsageError(
						'E_VLLM_PYTHON',
						`live.vllm.python: expected the Python of an installation of vLLM, got '${python}' (${got})`,
					),
				);
			}
		});
	});
}
