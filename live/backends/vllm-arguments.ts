import type { Gpu, Model, ReplicaProfile } from '../../sim/domain/model.ts';

export interface VllmServer {
	/** Model folder or hub name. */
	readonly model: string;
	readonly servedModel: string;
	readonly host: string;
	readonly port: number;
	readonly device: 'gpu' | 'cpu';
	readonly profile: ReplicaProfile;
	/** Of the model, all GPUs together. */
	readonly kvBytesPerToken: Model['kvBytesPerToken'];
	/** Whole memory of one of its GPUs. */
	readonly gpuMemoryBytes: Gpu['memoryBytes'];
	readonly extraArguments: readonly string[];
}

/**
 * Words after `python` that start a stock vLLM server with exactly the settings of a profile. Every setting that the engine model knows is
 * named, as vLLM's defaults depend on device and release.
 */
export function vllmArguments(server: VllmServer): readonly string[] {
	const { profile, device } = server;
	const { engine, tensorParallel } = profile;
	return [
		...['-m', 'vllm.entrypoints.openai.api_server'],
		...['--model', server.model, '--served-model-name', server.servedModel],
		...['--host', server.host, '--port', String(server.port)],
		...memoryArguments(server),
		...['--max-model-len', String(engine.maxModelLen), '--max-num-seqs', String(engine.maxNumSeqs)],
		...['--max-num-batched-tokens', String(engine.maxNumBatchedTokens)],
		...['--block-size', String(engine.blockSize)],
		...['--long-prefill-token-threshold', String(engine.longPrefillTokenThreshold)],
		...['--scheduling-policy', engine.policy, '--watermark', String(engine.watermark)],
		flag('scheduler-reserve-full-isl', engine.reserveFullIsl),
		flag('enable-prefix-caching', engine.prefixCaching),
		flag('enable-chunked-prefill', true),
		flag('async-scheduling', engine.asyncScheduling),
		...(tensorParallel > 1 ? ['--tensor-parallel-size', String(tensorParallel)] : []),
		// Sampling defaults of a model's author may hold a limit on its output.
		...['--generation-config', 'vllm'],
		...['--enable-prompt-tokens-details', '--enable-per-request-metrics', '--shutdown-timeout', '0'],
		// Refused without a GPU.
		...(device === 'gpu' ? ['--enable-sleep-mode'] : []),
		...server.extraArguments,
	];
}

/**
 * The block count is fixed, so that it does not depend on what a start happened to measure. The bytes are given as well: without them vLLM
 * measures first, and on a CPU reserves nearly all memory of the machine. The share of a GPU must be free when the server starts.
 */
function memoryArguments({
	device,
	profile,
	kvBytesPerToken,
	gpuMemoryBytes,
}: VllmServer): readonly string[] {
	const { engine, tensorParallel, gpuBytesPerGpu } = profile;
	const kvBytes = Math.ceil((engine.numGpuBlocks * engine.blockSize * kvBytesPerToken) / tensorParallel);
	const share = Math.floor((gpuBytesPerGpu / gpuMemoryBytes) * 1000 + 1e-6) / 1000;
	return [
		...(device === 'gpu' ? ['--gpu-memory-utilization', String(share)] : []),
		...['--kv-cache-memory-bytes', String(kvBytes), '--num-gpu-blocks-override', String(engine.numGpuBlocks)],
	];
}

const flag = (name: string, on: boolean): string => (on ? `--${name}` : `--no-${name}`);
