import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Host memory that processes use, their shared parts counted once.
 * @returns bytes; null where the kernel does not say
 */
export function hostBytes(pids: readonly number[]): number | null {
	let kib = 0;
	for (const pid of pids) {
		const own = proportionalKib(pid);
		if (own === null) return null;
		kib += own;
	}
	return kib * 1024;
}

/**
 * GPU memory that processes hold, on the GPU of theirs that holds most.
 * @returns bytes; null when there is nobody to ask
 */
export function gpuBytesPerGpu(pids: readonly number[]): Promise<number | null> {
	const query = ['--query-compute-apps=gpu_uuid,pid,used_memory', '--format=csv,noheader,nounits'];
	return new Promise((resolve) => {
		execFile('nvidia-smi', query, { timeout: 10_000 }, (error, output) =>
			resolve(error === null ? largestShare(output, pids) : null),
		);
	});
}

/** @param output lines `gpu, pid, MiB` */
export function largestShare(output: string, pids: readonly number[]): number {
	const mibByGpu = new Map<string, number>();
	for (const line of output.split('\n')) {
		const [gpu = '', pid, mib] = line.split(',').map((part) => part.trim());
		if (pids.includes(Number(pid))) mibByGpu.set(gpu, (mibByGpu.get(gpu) ?? 0) + Number(mib));
	}
	return Math.max(0, ...mibByGpu.values()) * 2 ** 20;
}

function proportionalKib(pid: number): number | null {
	try {
		const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
		return pss === undefined ? null : Number(pss);
	} catch {
		return null;
	}
}
