import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emulatorCommand } from '../../../live/emulator/command.ts';
import {
	type EmulatorConfig,
	readEmulatorConfig,
	writeEmulatorConfig,
} from '../../../live/emulator/config.ts';
import { emulatorConfig, replicaProfile } from './emulator-fixture.ts';

let folder: string;
const children: ChildProcessWithoutNullStreams[] = [];
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-emulator-'));
});
afterEach(async () => {
	for (const child of children.splice(0)) {
		if (child.exitCode !== null || child.signalCode !== null) continue;
		child.kill('SIGKILL');
		await once(child, 'exit');
	}
	rmSync(folder, { recursive: true, force: true });
});

interface Running {
	readonly child: ChildProcessWithoutNullStreams;
	readonly log: () => string;
	/** Exit code, or the name of the signal that ended it. */
	readonly end: Promise<number | string>;
	/** Address, once it answers. */
	ready(): Promise<string>;
}

/** A load of a moment: what is tested takes as long as a process takes to start. */
const quick = { ...replicaProfile(), loadUs: 1, stopUs: 1000 };

function run(changes: Partial<EmulatorConfig> = {}, environment: Record<string, string> = {}): Running {
	const file = path.join(folder, `${children.length}.json`);
	writeEmulatorConfig(file, emulatorConfig({ profile: quick, endsWithStdin: true, ...changes }));
	const command = emulatorCommand(file);
	const child = spawn(command.executable, command.arguments, {
		cwd: folder,
		env: { ...process.env, ...command.environment, ...environment },
		stdio: 'pipe',
	});
	children.push(child);
	let log = '';
	const ready = new Promise<string>((resolve, reject) => {
		child.stderr.on('data', (part: Buffer) => {
			log += part;
			const address = /Starting vLLM server on (\S+)/.exec(log)?.[1];
			if (address !== undefined && log.includes('Application startup complete')) resolve(address);
		});
		child.on('exit', () => reject(new Error(`it ended:\n${log}`)));
	});
	ready.catch(() => undefined);
	const end = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
	return { child, log: () => log, end, ready: () => ready };
}

describe('an emulator as a process', () => {
	it('answers, in development mode, and ends with 0 when told to', async () => {
		const gpuMemoryFolder = path.join(folder, 'gpus');
		const emulator = run({ gpuMemoryFolder });
		const url = await emulator.ready();
		expect((await fetch(`${url}/health`)).status).toBe(200);
		expect((await fetch(`${url}/is_sleeping`)).status).toBe(200);
		expect(readdirSync(path.join(gpuMemoryFolder, 'gpu0'))).toHaveLength(1);
		emulator.child.kill('SIGTERM');
		expect(await emulator.end).toBe(0);
		expect(readdirSync(path.join(gpuMemoryFolder, 'gpu0'))).toEqual([]);
	});

	it('ends with its standard input, even one that ignores SIGTERM', async () => {
		const emulator = run({ faults: [{ kind: 'ignored-sigterm' }] });
		const url = await emulator.ready();
		emulator.child.kill('SIGTERM');
		emulator.child.kill('SIGTERM');
		expect((await fetch(`${url}/health`)).status).toBe(200);
		emulator.child.stdin.end();
		expect(await emulator.end).toBe(0);
	});

	it('asks for the key that its environment holds, and does not write it anywhere', async () => {
		const emulator = run({ apiKeyVariable: 'SOME_KEY' }, { SOME_KEY: 'very-secret' });
		const url = await emulator.ready();
		expect((await fetch(`${url}/v1/models`)).status).toBe(401);
		const headers = { authorization: 'Bearer very-secret' };
		expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(200);
		emulator.child.stdin.end();
		await emulator.end;
		expect(emulator.log()).not.toContain('very-secret');
	});

	it('fails as vLLM does, with its last words', async () => {
		const taken = createServer().listen(0, '127.0.0.1');
		await once(taken, 'listening');
		const address = taken.address();
		const port = typeof address === 'object' && address !== null ? address.port : 0;
		const [noRoom, noPort, noKey, noBlocks] = [
			run({ gpuMemoryFolder: path.join(folder, 'gpus'), gpus: [{ gpu: 'gpu0', memoryBytes: 5e9 }] }),
			run({ port }),
			run({ apiKeyVariable: 'NOT_SET' }),
			run({ profile: { ...quick, engine: { ...quick.engine, numGpuBlocks: 2 } } }),
		];
		expect(await noRoom.end).toBe(1);
		expect(noRoom.log()).toContain('less than desired GPU memory utilization');
		expect(noRoom.log()).toMatch(
			/RuntimeError: Engine core initialization failed\. See root cause above\..*\n$/,
		);
		expect(await noPort.end).toBe(1);
		expect(noPort.log()).toMatch(/OSError: \[Errno 98\] Address already in use\n$/);
		expect(await noKey.end).toBe(2);
		expect(noKey.log()).toBe(
			'mosaic: expected an API key in the environment variable NOT_SET, got nothing\n',
		);
		expect(await noBlocks.end).toBe(2);
		expect(noBlocks.log()).toMatch(/^mosaic: engine config: numGpuBlocks: expected at least 9, .*\n$/);
		taken.close();
	});
});

describe('its configuration', () => {
	it('comes back as it was written', () => {
		const file = path.join(folder, 'config.json');
		const config = emulatorConfig({ speed: 30, faults: [{ kind: 'hang', atRequest: 2 }] });
		writeEmulatorConfig(file, config);
		expect(readEmulatorConfig(file)).toEqual(config);
	});

	it('that is none is refused in one line', () => {
		expect(existsSync(path.join(folder, 'none.json'))).toBe(false);
		expect(() => readEmulatorConfig(path.join(folder, 'none.json'))).toThrow(
			/none\.json: expected an emulator's configuration/,
		);
		const file = path.join(folder, 'half.json');
		writeEmulatorConfig(file, { servedModel: 'm' } as EmulatorConfig);
		expect(() => readEmulatorConfig(file)).toThrow(`${file}: profile: expected a value, got nothing`);
	});
});
