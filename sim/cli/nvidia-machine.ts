import { execFile } from 'node:child_process';
import type { Machine } from './profile-experiment.ts';

/** The GPUs of this machine as its driver lists them; undefined when there is none. */
export function nvidiaMachine(gpuType: string | undefined): Promise<Machine | undefined> {
	const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'];
	return new Promise((resolve) => {
		execFile('nvidia-smi', query, { timeout: 10_000 }, (error, output) =>
			resolve(error === null ? machineOf(output, gpuType) : undefined),
		);
	});
}

/** @param output lines `name, MiB` */
export function machineOf(output: string, gpuType: string | undefined): Machine | undefined {
	const gpus = output
		.split('\n')
		.map((line) => line.split(',').map((part) => part.trim()))
		.filter(([, mib]) => mib !== undefined && Number(mib) > 0);
	const [name = '', mib] = gpus[0] ?? [];
	if (mib === undefined) return undefined;
	return {
		device: 'gpu',
		gpuType: gpuType ?? name.replace(/^NVIDIA /, '').replace(/[^\w.-]+/g, '-'),
		memoryBytes: Number(mib) * 2 ** 20,
		gpuCount: gpus.length,
	};
}
