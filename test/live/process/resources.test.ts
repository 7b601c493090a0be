import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { gpuMemoryIsBack } from '../../../live/process/gpu-memory.ts';
import { Locks } from '../../../live/process/locks.ts';
import { PortTable } from '../../../live/process/ports.ts';
import { groupListensOn, processEntry } from '../../../live/process/proc-table.ts';

async function listening(port = 0) {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
	const address = server.address();
	return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, close: () => server.close() };
}

describe('ports', () => {
	it('are handed out once each, from the first one up, around those in use', async () => {
		const { port, close } = await listening();
		const table = new PortTable('127.0.0.1', port);
		const ports = await Promise.all([table.take(), table.take(), table.take()]);
		expect(ports).not.toContain(port);
		expect(new Set(ports).size).toBe(3);
		expect(Math.min(...ports)).toBeGreaterThan(port);
		table.release(ports[1] as number);
		expect(await table.take()).toBe(ports[1]);
		close();
	});

	it('run out with a clear word', async () => {
		const { port, close } = await listening(65_535).catch(() => ({ port: 65_535, close: () => undefined }));
		await expect(new PortTable('127.0.0.1', port).take()).rejects.toThrow(
			'live.firstPort: expected a free port on 127.0.0.1 among 65535 to 65535, found none',
		);
		close();
	});

	it('are known by who listens on them', async () => {
		const { port, close } = await listening();
		const group = processEntry(process.pid)?.group as number;
		expect(groupListensOn(group, port)).toBe(true);
		expect(groupListensOn(1 << 22, port)).toBe(false);
		close();
	});
});

describe('locks', () => {
	const never = null;

	it('go to one at a time, in the order of asking', async () => {
		const locks = new Locks<string>();
		const first = await locks.take(['a'], never);
		const order: string[] = [];
		const second = locks.take(['b', 'a'], never).then((release) => {
			order.push('second');
			return release;
		});
		const third = locks.take(['a'], never).then((release) => {
			order.push('third');
			return release;
		});
		const free = await locks.take(['c'], never);
		free?.();
		expect(order).toEqual([]);
		first?.();
		(await second)?.();
		(await third)?.();
		expect(order).toEqual(['second', 'third']);
		expect(await locks.take(['b'], never)).not.toBeNull();
	});

	it('two who want the same two, named in other order, do not wait for each other', async () => {
		const locks = new Locks<string>();
		const [one, two] = [locks.take(['a', 'b'], never), locks.take(['b', 'a'], never)];
		(await one)?.();
		(await two)?.();
	});

	it('pass on when who waited gave up', async () => {
		const locks = new Locks<string>();
		const first = await locks.take(['a'], never);
		const abort = new AbortController();
		const second = locks.take(['a', 'b'], abort.signal);
		const third = locks.take(['a'], never);
		abort.abort();
		expect(await second).toBeNull();
		first?.();
		expect(await third).not.toBeNull();
		expect(await locks.take(['b'], AbortSignal.abort())).toBeNull();
	});
});

describe('GPU memory', () => {
	it('is back when no process of the server holds any', async () => {
		const looks = [new Set([7, 8]), new Set([8, 9]), new Set([9])];
		let looked = 0;
		await gpuMemoryIsBack([7, 8], async () => looks[looked++] ?? null, 1);
		expect(looked).toBe(3);
	});

	it('is not waited for where nobody can tell', async () => {
		await gpuMemoryIsBack([7], async () => null);
	});
});
