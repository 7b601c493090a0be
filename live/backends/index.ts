import { UsageError } from '../../sim/domain/errors.ts';
import type { BackendName } from '../../sim/domain/live.ts';
import type { Backend } from '../backend.ts';
import { createEmulatorBackend } from './emulator.ts';
import { createEndpointBackend } from './endpoint.ts';
import type { BackendOptions, BackendSetup } from './options.ts';
import { createVllmBackend } from './vllm.ts';

export type { BackendOptions, BackendSetup } from './options.ts';

/** @throws UsageError E_SPEED when real servers are to run faster than real time */
export function createBackend(name: BackendName, setup: BackendSetup, options: BackendOptions): Backend {
	if (name !== 'emulator' && options.speed !== 1)
		throw new UsageError('E_SPEED', `option --speed: expected 1 with backend ${name}, got ${options.speed}`);
	switch (name) {
		case 'emulator':
			return createEmulatorBackend(setup, options);
		case 'vllm':
			return createVllmBackend(setup, options);
		case 'endpoint':
			return createEndpointBackend(setup, options);
	}
}
