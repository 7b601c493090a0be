import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, it } from 'vitest';
import { modelId } from '../../../sim/domain/ids.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { SMALL_LIVE, smallSetup } from '../../support/setup-builder.ts';
import { describeExecutor } from './executor-contract.ts';
import { openLive } from './live-world.ts';
import { CONTRACT_ENGINE, CONTRACT_QUERIES } from './workload.ts';

/** A real server is up after 40 to 50 s on a core of its own. */
const START_MS = 300_000;

/** Two layers of one head of keys and values, 64 wide, in 16 bits. */
const KV_BYTES_PER_TOKEN = 2 * 2 * 64 * 2;

const python = process.env.MOSAIC_VLLM_PYTHON;

if (python === undefined)
	it.skip('the live executor on real vLLM (skipped: set MOSAIC_VLLM_PYTHON to the Python of an installation)', () =>
		undefined);
else
	describeExecutor('the live executor on real vLLM without a GPU', {
		open: (replicaRestarts) =>
			openLive({ backend: 'vllm', speed: 1, setup: vllmSetup(python, replicaRestarts) }),
		sleepRefusal: 'vLLM has no sleep mode on a CPU',
		timeoutMs: START_MS,
	});

function vllmSetup(pythonOfVllm: string, replicaRestarts: number): Setup {
	const setup = smallSetup({
		queries: CONTRACT_QUERIES,
		aggregator: null,
		// Blocks of 128 tokens are what vLLM has on a CPU.
		engine: { ...CONTRACT_ENGINE, blockSize: 128, numGpuBlocks: 129 },
		live: {
			firstPort: 20_100,
			retries: { ...SMALL_LIVE.retries, replicaRestarts },
			vllm: {
				python: pythonOfVllm,
				models: { [modelId('m')]: makeModel(pythonOfVllm) },
				device: 'cpu',
				extraArguments: ['--dtype', 'bfloat16', '--load-format', 'dummy', '--enforce-eager'],
				environment: {},
			},
		},
	});
	return {
		...setup,
		models: setup.models.map((model) => ({ ...model, kvBytesPerToken: KV_BYTES_PER_TOKEN })),
	};
}

let modelFolder: string | null = null;

afterAll(() => {
	if (modelFolder !== null) rmSync(path.dirname(modelFolder), { recursive: true });
});

function makeModel(pythonOfVllm: string): string {
	if (modelFolder === null) {
		modelFolder = path.join(mkdtempSync(path.join(tmpdir(), 'mosaic-model-')), 'm');
		const script = path.join(__dirname, '../../vllm/make-model.py');
		execFileSync(pythonOfVllm, [script, modelFolder, '--layers', '2', '--hidden', '128']);
	}
	return modelFolder;
}
