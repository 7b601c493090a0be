import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isRunning, processEntry } from '../process/proc-table.ts';
import type { EmulatedGpu } from './config.ts';

/** The part of some GPUs' pretended memory that this process holds. */
export interface GpuClaim {
	/** Falls asleep: holds next to nothing. */
	shrink(): void;
	/** Takes it all back. @returns why not, in vLLM's words; null when it did */
	grow(): string | null;
	release(): void;
}

export interface ClaimRequest {
	/** Shared by all emulators of these GPUs: a folder per GPU, a file per process with what it holds. */
	readonly folder: string;
	readonly gpus: readonly EmulatedGpu[];
	/** On each of them, awake and asleep. */
	readonly bytesPerGpu: number;
	readonly sleepingBytesPerGpu: number;
}

/**
 * Takes memory as vLLM does at its start: refused when less is free than it wants.
 * @throws Error with vLLM's last words
 */
export function claimGpuMemory(request: ClaimRequest): GpuClaim {
	const { gpus, bytesPerGpu } = request;
	const own = gpus.map((gpu) => new GpuFolder(path.join(request.folder, encodeURIComponent(gpu.gpu)), gpu));
	const grow = (refusal: (index: number, gpu: EmulatedGpu, freeBytes: number) => string): string | null =>
		own[0] === undefined
			? null
			: withLock(request.folder, () => {
					for (const [index, folder] of own.entries()) {
						const freeBytes = folder.freeBytes();
						if (freeBytes < bytesPerGpu) return refusal(index, folder.gpu, freeBytes);
					}
					for (const folder of own) folder.hold(bytesPerGpu);
					return null;
				});
	const refused = grow((index, gpu, freeBytes) => startRefusal(index, gpu, bytesPerGpu, freeBytes));
	if (refused !== null) throw new Error(refused);
	return {
		shrink() {
			for (const folder of own) folder.hold(Math.min(request.sleepingBytesPerGpu, bytesPerGpu));
		},
		grow: () =>
			grow(
				(index, gpu, freeBytes) =>
					`CUDA out of memory. Tried to allocate ${gib(bytesPerGpu)} GiB. GPU ${index} has a total capacity of ${gib(gpu.memoryBytes)} GiB of which ${gib(freeBytes)} GiB is free.`,
			),
		release() {
			for (const folder of own) folder.hold(0);
		},
	};
}

/** @source vllm/v1/worker/utils.py, request_memory (0.32.0) */
function startRefusal(index: number, gpu: EmulatedGpu, bytes: number, freeBytes: number): string {
	const utilization = Number((bytes / gpu.memoryBytes).toFixed(4));
	return `Free memory on device cuda:${index} (${gib(freeBytes)}/${gib(gpu.memoryBytes)} GiB) on startup is less than desired GPU memory utilization (${utilization}, ${gib(bytes)} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.`;
}

export const gib = (bytes: number): string => String(Math.round((bytes / 1024 ** 3) * 100) / 100);

/** Claims on one GPU: files named by process id and start time, so that a dead process, or a later one of its number, holds nothing. */
class GpuFolder {
	readonly gpu: EmulatedGpu;
	private readonly folder: string;
	private readonly ownFile: string;

	constructor(folder: string, gpu: EmulatedGpu) {
		this.gpu = gpu;
		this.folder = folder;
		mkdirSync(folder, { recursive: true });
		this.ownFile = path.join(folder, claimName());
	}

	/** What nobody else holds. */
	freeBytes(): number {
		let free = this.gpu.memoryBytes;
		for (const name of readdirSync(this.folder)) {
			const file = path.join(this.folder, name);
			const [pid, startTicks] = name.split('.');
			if (file === this.ownFile) continue;
			const isLive = isRunning(Number(pid), startTicks === UNKNOWN ? null : Number(startTicks));
			if (isLive) free -= Number(readOr(file, '0'));
			else rmSync(file, { force: true });
		}
		return free;
	}

	hold(bytes: number): void {
		if (bytes === 0) rmSync(this.ownFile, { force: true });
		else writeFileSync(this.ownFile, String(Math.round(bytes)));
	}
}

const UNKNOWN = 'unknown';
/** More than one claim of a process, as in tests, must not meet in one file. */
let claims = 0;
const claimName = (): string =>
	`${process.pid}.${processEntry(process.pid)?.startTicks ?? UNKNOWN}.${claims++}`;

/** One process at a time looks and takes. A lock whose holder died is broken. */
function withLock<Result>(folder: string, act: () => Result): Result {
	mkdirSync(folder, { recursive: true });
	const file = path.join(folder, 'lock');
	while (!tryLock(file)) {
		const holder = readOr(file, '');
		const [pid, startTicks] = holder.split('.');
		if (holder === '' || isRunning(Number(pid), startTicks === UNKNOWN ? null : Number(startTicks)))
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_LOOK_MS);
		else breakLock(file, holder);
	}
	try {
		return act();
	} finally {
		rmSync(file, { force: true });
	}
}

const LOCK_LOOK_MS = 2;

/** The lock appears with its holder's name in it, never empty. */
function tryLock(file: string): boolean {
	const own = `${file}.${claimName()}`;
	writeFileSync(own, claimName());
	try {
		linkSync(own, file);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
		throw error;
	} finally {
		rmSync(own, { force: true });
	}
}

/** Takes a dead holder's lock away; puts it back when somebody else was quicker and it is a live one by now. */
function breakLock(file: string, deadHolder: string): void {
	const aside = `${file}.${claimName()}`;
	try {
		renameSync(file, aside);
		if (readOr(aside, '') !== deadHolder) linkSync(aside, file);
	} catch {
		// Gone already, or taken again.
	} finally {
		rmSync(aside, { force: true });
	}
}

function readOr(file: string, otherwise: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch {
		return otherwise;
	}
}
