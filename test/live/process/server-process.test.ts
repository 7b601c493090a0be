import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { startClock } from '../../../live/clock.ts';
import { lastError, lastLines } from '../../../live/process/log-tail.ts';
import { groupIsAlive, isRunning, processEntries } from '../../../live/process/proc-table.ts';
import { ServerProcess } from '../../../live/process/server-process.ts';
import { logged, startProgram, temporaryFolder } from './programs.ts';

describe('a server process', () => {
	it('is a group of its own, knows its run, and writes into its log', async () => {
		const server = startProgram('polite', { runId: 'run-7' });
		await logged(server.logFile, 'ready as polite');
		const entry = processEntries().find(({ pid }) => pid === server.pid);
		expect(entry).toMatchObject({ group: server.pid, startTicks: server.startTicks, isZombie: false });
		expect(readFileSync(`/proc/${server.pid}/environ`, 'utf8').split('\0')).toContain('MOSAIC_RUN_ID=run-7');
		expect(server.state).toBe('running');
	});

	it('ends when asked', async () => {
		const server = startProgram('polite');
		await logged(server.logFile, 'ready as polite');
		await server.end(60e6);
		expect(server.how).toBe('exited with code 0');
		expect(server.state).toBe('gone');
		expect(lastLines(server.logFile, 1)).toEqual(['asked to end']);
	});

	it('is killed when it does not', async () => {
		const server = startProgram('stubborn');
		await logged(server.logFile, 'ready as stubborn');
		await server.end(50e3);
		expect(server.how).toBe('was ended by SIGKILL');
		expect(readFileSync(server.logFile, 'utf8')).toContain('no');
		expect(groupIsAlive(server.pid as number)).toBe(false);
	});

	it('takes the children with it that its death left behind', async () => {
		const server = startProgram('parent');
		await logged(server.logFile, 'ready as stubborn');
		process.kill(server.pid as number, 'SIGKILL');
		expect(await server.exited).toBe('was ended by SIGKILL');
		expect(groupIsAlive(server.pid as number)).toBe(true);
		await server.end(50e3);
		expect(groupIsAlive(server.pid as number)).toBe(false);
	});

	it('that ended by itself says how, and its log says why', async () => {
		const server = startProgram('fails');
		expect(await server.exited).toBe('exited with code 3');
		expect(lastError(server.logFile)).toBe('ValueError: no memory left');
		await server.end(60e6);
		expect(server.state).toBe('gone');
	});

	it('that cannot be started says so', async () => {
		const server = new ServerProcess({
			command: { executable: 'no-such-program', arguments: [], environment: {} },
			runId: 'run',
			logFile: `${temporaryFolder()}/a.log`,
			environment: {},
			clock: startClock(1),
		});
		expect(await server.exited).toMatch(/could not be started .*ENOENT/);
		expect(server.pid).toBeNull();
		await server.end(60e6);
	});

	it('gets the environment of its command over that of the controller', async () => {
		const server = startProgram('polite', { environment: { HOME: '/nowhere' } });
		expect(readFileSync(`/proc/${server.pid}/environ`, 'utf8').split('\0')).toContain('HOME=/nowhere');
	});

	it('holds a pipe that ends with the controller', async () => {
		const server = startProgram('needs-stdin');
		await logged(server.logFile, 'ready as needs-stdin');
		expect(isRunning(server.pid as number, server.startTicks)).toBe(true);
	});
});

describe('the words of a failed start', () => {
	const recorded = JSON.parse(
		readFileSync(path.join(__dirname, '../fixtures/vllm-0.32.0/failing-starts.json'), 'utf8'),
	) as {
		readonly name: string;
		readonly errorLines: readonly string[];
		readonly lastLines: readonly string[];
	}[];
	const write = (lines: readonly string[]): string => {
		const file = path.join(temporaryFolder(), 'server.log');
		writeFileSync(file, lines.join('\n'));
		return file;
	};

	it.each(recorded.map((start) => [start.name, start] as const))('of a real server: %s', (_, start) => {
		const cause = lastError(write([...start.errorLines, ...start.lastLines]));
		expect(cause).toMatch(/^(?:[\w.]+Error: |api_server.py: error: )/);
		expect(cause).not.toContain('See root cause above');
	});

	it('are the last error, without what vLLM puts in front of it', () => {
		const file = write([
			'(EngineCore pid=12) ERROR 11-22 13:05:59 [core.py:1114] EngineCore failed to start.',
			'(EngineCore pid=12) ERROR 11-22 13:05:59 [core.py:1114] ValueError: No available memory.',
			'(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.',
			'',
		]);
		expect(lastError(file)).toBe('ValueError: No available memory.');
	});

	it('are the last line where nothing looks like an error, and nothing where there is none', () => {
		expect(lastError(write(['one', 'two', '', '']))).toBe('two');
		expect(lastError(write([]))).toBeNull();
		expect(lastError(path.join(temporaryFolder(), 'none.log'))).toBeNull();
	});
});
