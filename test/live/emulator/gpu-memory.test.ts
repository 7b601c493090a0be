import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimGpuMemory, type GpuClaim } from '../../../live/emulator/gpu-memory.ts';
import { processEntry } from '../../../live/process/proc-table.ts';
import { AutoClock } from './auto-clock.ts';
import { beginEmulator, post, readyEmulator, replicaProfile } from './emulator-fixture.ts';

const GIB = 1024 ** 3;
let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-gpu-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const claim = (gib: number, gpus: readonly string[] = ['gpu0']): GpuClaim =>
	claimGpuMemory({
		folder,
		gpus: gpus.map((gpu) => ({ gpu, memoryBytes: 10 * GIB })),
		bytesPerGpu: gib * GIB,
		sleepingBytesPerGpu: GIB,
	});

describe('pretended memory of a GPU', () => {
	it('is there once', () => {
		claim(6);
		claim(4);
		expect(() => claim(1)).toThrow(
			'Free memory on device cuda:0 (0/10 GiB) on startup is less than desired GPU memory utilization (0.1, 1 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.',
		);
		claim(10, ['gpu1']);
	});

	it('a start on several GPUs takes all or nothing', () => {
		claim(6, ['gpu1']);
		expect(() => claim(5, ['gpu0', 'gpu1'])).toThrow('on device cuda:1 (4/10 GiB)');
		claim(10, ['gpu0']);
	});

	it('a sleeping engine leaves room, and takes it back only if it is still there', () => {
		const first = claim(8);
		expect(() => claim(8)).toThrow('Free memory');
		first.shrink();
		const second = claim(9);
		expect(first.grow()).toMatch(
			/^CUDA out of memory\. Tried to allocate 8 GiB\. GPU 0 has .* of which 1 GiB is free/,
		);
		second.release();
		expect(first.grow()).toBeNull();
		expect(() => claim(3)).toThrow('Free memory');
	});

	it('what a dead process holds, or one whose number another has by now, does not count', () => {
		const gpu = path.join(folder, 'gpu0');
		mkdirSync(gpu);
		const own = processEntry(process.pid)?.startTicks ?? 0;
		writeFileSync(path.join(gpu, '4194305.123.0'), String(9 * GIB));
		writeFileSync(path.join(gpu, `${process.pid}.${own - 1}.0`), String(9 * GIB));
		claim(10);
		expect(readdirSync(gpu)).toHaveLength(1);
	});

	it('a lock whose holder died is no lock', () => {
		writeFileSync(path.join(folder, 'lock'), '4194305.123.0');
		claim(10);
		expect(readdirSync(folder)).toEqual(['gpu0']);
	});
});

describe('emulators of one GPU', () => {
	const gpus = [{ gpu: 'gpu0', memoryBytes: 8e9 }];

	it('the second does not start while the first is awake', async () => {
		await readyEmulator({ gpus, gpuMemoryFolder: folder });
		const { emulator, log } = beginEmulator({ gpus, gpuMemoryFolder: folder }, { clock: new AutoClock() });
		await expect(emulator.ready).rejects.toThrow('Free memory on device');
		expect(await emulator.ended).toBe(1);
		expect(log()).toContain('Engine core initialization failed. See root cause above.');
	});

	it('take turns by sleeping; a wake that does not fit fails', async () => {
		const first = await readyEmulator({ gpus, gpuMemoryFolder: folder });
		await post(first.baseUrl, '/sleep?level=1');
		const second = await readyEmulator({ gpus, gpuMemoryFolder: folder });
		const refused = await post(first.baseUrl, '/wake_up');
		expect(refused.status).toBe(500);
		expect(await refused.json()).toMatchObject({
			error: { message: expect.stringContaining('CUDA out of memory') },
		});
		expect(await (await fetch(`${first.baseUrl}/is_sleeping`)).json()).toEqual({ is_sleeping: true });
		await post(second.baseUrl, '/sleep?level=1');
		expect(await (await post(first.baseUrl, '/wake_up')).json()).toEqual({ status: 'awake', tags: null });
	});

	it('a stopped one leaves nothing', async () => {
		const first = await readyEmulator({ gpus, gpuMemoryFolder: folder });
		await first.emulator.stop();
		expect(readdirSync(path.join(folder, 'gpu0'))).toEqual([]);
	});

	it('one that cannot start leaves nothing', async () => {
		const profile = replicaProfile();
		const faults = [{ kind: 'out-of-memory-at-load' }] as const;
		const { emulator } = beginEmulator(
			{ profile, gpus, faults, gpuMemoryFolder: folder },
			{ clock: new AutoClock() },
		);
		await emulator.ended;
		expect(readdirSync(path.join(folder, 'gpu0'))).toEqual([]);
	});
});
