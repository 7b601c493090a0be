import path from 'node:path';
import type { ReplicaStart } from '../../sim/core/executor.ts';
import { present } from '../../sim/domain/errors.ts';
import type { Backend } from '../backend.ts';
import { emulatorCommand } from '../emulator/command.ts';
import { writeEmulatorConfig } from '../emulator/config.ts';
import { localUrl } from './local-url.ts';
import type { BackendOptions, BackendSetup } from './options.ts';

/** Our own processes with vLLM's HTTP face on the engine model. Nothing needs to be installed, so there is nothing to check. */
export function createEmulatorBackend(setup: BackendSetup, { speed, logFolder }: BackendOptions): Backend {
	const { host, emulator } = setup.live;
	const configFile = ({ replica }: ReplicaStart): string =>
		path.join(logFolder, `${encodeURIComponent(replica)}.emulator.json`);
	return {
		name: 'emulator',
		takesScripts: true,
		sleepRefusal: null,
		check: async () => undefined,
		command: (start) => emulatorCommand(configFile(start)),
		prepare(start, port) {
			writeEmulatorConfig(configFile(start), {
				servedModel: start.model,
				profile: start.profile,
				gpus: start.gpus.map((gpu) => ({
					gpu,
					memoryBytes: present(
						setup.cluster.gpus.find(({ id }) => id === gpu),
						`gpu ${gpu}`,
					).memoryBytes,
				})),
				host,
				port,
				speed,
				seed: setup.seed,
				spawnedAtMs: Date.now(),
				gpuMemoryFolder: path.join(logFolder, 'gpu-memory'),
				faults: emulator.faults[start.model] ?? [],
				apiKeyVariable: null,
				endsWithStdin: true,
			});
		},
		address: ({ model }, port) => ({ baseUrl: localUrl(host, port), servedModel: model, apiKey: null }),
		released: async () => undefined,
	};
}
