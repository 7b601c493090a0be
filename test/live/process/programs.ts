import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';
import { startClock } from '../../../live/clock.ts';
import { ServerProcess } from '../../../live/process/server-process.ts';

const program = path.join(__dirname, 'fixtures/program.cjs');

const servers = new Set<ServerProcess>();
const folders = new Set<string>();

afterEach(async () => {
	for (const server of servers) {
		server.kill();
		await server.end(0);
	}
	servers.clear();
	for (const folder of folders) rmSync(folder, { recursive: true, force: true });
	folders.clear();
});

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
	const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-test-'));
	folders.add(folder);
	return folder;
}

export interface StartOptions {
	readonly runId?: string;
	readonly folder?: string;
	readonly environment?: Readonly<Record<string, string>>;
}

/** Starts `fixtures/program.cjs`; it is gone after the test. */
export function startProgram(behaviour: string, options: StartOptions = {}): ServerProcess {
	const { runId = `test-${process.pid}-${servers.size}-${behaviour}`, folder = temporaryFolder() } = options;
	const server = new ServerProcess({
		command: {
			executable: process.execPath,
			arguments: [program, behaviour],
			environment: options.environment ?? {},
		},
		runId,
		logFile: path.join(folder, `${behaviour}.log`),
		environment: process.env,
		clock: startClock(1),
	});
	servers.add(server);
	return server;
}

/** Resolves when the log holds `words` so many times. */
export async function logged(file: string, words: string, times = 1): Promise<void> {
	const holds = (): boolean => readFileSync(file, 'utf8').split(words).length > times;
	if (holds()) return;
	await new Promise<void>((resolve) => {
		const watcher = watch(file, () => {
			if (!holds()) return;
			watcher.close();
			resolve();
		});
		// Written between the first look and the watch.
		if (holds()) {
			watcher.close();
			resolve();
		}
	});
}
