import { readFileSync, writeFileSync } from 'node:fs';
import type { LengthDistribution } from '../../sim/domain/distribution.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import type { EmulatorFault } from '../../sim/domain/live.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';

/** Everything one emulator process is told. Written as JSON by whoever starts it; holds no secret. */
export interface EmulatorConfig {
	/** Model name in requests and in `/v1/models`. */
	readonly servedModel: string;
	readonly profile: ReplicaProfile;
	/** The GPUs it stands on, with their whole memory. */
	readonly gpus: readonly EmulatedGpu[];
	readonly host: string;
	/** 0: any free one, said on stderr. */
	readonly port: number;
	/** Engine seconds per wall second. */
	readonly speed: number;
	/** Of what it says and how long. */
	readonly seed: number;
	/** When the process was asked for (`Date.now()`), which is when its load begins; null: when the process began. */
	readonly spawnedAtMs: number | null;
	/** Where all emulators of these GPUs keep what they hold of the pretended memory; null: memory is not shared with anyone. */
	readonly gpuMemoryFolder: string | null;
	readonly faults: readonly EmulatorFault[];
	/** Environment variable that holds the key it asks for; null: it asks for none. */
	readonly apiKeyVariable: string | null;
	/** Ends when its standard input closes, so that it does not outlive a starter who holds the other end of a pipe. */
	readonly endsWithStdin: boolean;
	/** Output tokens where neither the request nor a script fixes them; absent: `defaultLengths`. */
	readonly lengths?: LengthDistribution;
	/** What of vLLM is off unless asked for; absent: `defaultFlags`. */
	readonly flags?: readonly EmulatorFlag[];
}

/** vLLM's flags `--enable-...` that change what clients see. Cached prompt tokens are always told (`--enable-prompt-tokens-details`). */
export type EmulatorFlag = 'per-request-metrics' | 'request-id-headers' | 'server-load-tracking';

/** Those that `mosaic live` starts real servers with. */
export const defaultFlags: readonly EmulatorFlag[] = ['per-request-metrics'];

export interface EmulatedGpu {
	readonly gpu: string;
	readonly memoryBytes: number;
}

export function writeEmulatorConfig(file: string, config: EmulatorConfig): void {
	writeFileSync(file, `${JSON.stringify(config, null, '\t')}\n`);
}

/**
 * Programs write this file, so only what a wrong file would lack is looked for.
 * @throws UsageError E_EMULATOR_CONFIG
 */
export function readEmulatorConfig(file: string): EmulatorConfig {
	let config: Partial<EmulatorConfig> | null;
	try {
		config = JSON.parse(readFileSync(file, 'utf8')) as Partial<EmulatorConfig> | null;
	} catch (error) {
		throw new UsageError(
			'E_EMULATOR_CONFIG',
			`${file}: expected an emulator's configuration as JSON, got ${(error as Error).message}`,
		);
	}
	for (const field of REQUIRED) {
		if (config?.[field] === undefined)
			throw new UsageError('E_EMULATOR_CONFIG', `${file}: ${field}: expected a value, got nothing`);
	}
	return config as EmulatorConfig;
}

const REQUIRED = [
	'servedModel',
	'profile',
	'gpus',
	'host',
	'port',
	'speed',
	'seed',
	'spawnedAtMs',
	'gpuMemoryFolder',
	'faults',
	'apiKeyVariable',
	'endsWithStdin',
] as const satisfies readonly (keyof EmulatorConfig)[];
