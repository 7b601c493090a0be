import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { takeRun, thisController } from '../../../live/journal/lock.ts';
import { processEntry } from '../../../live/process/proc-table.ts';
import { temporaryFolder } from '../../cli/temporary-folder.ts';

const writeLock = (folder: string, number: number, owner: unknown): void =>
	writeFileSync(path.join(folder, `controller-${number}.lock`), JSON.stringify(owner));

it('a run has one controller at a time', () => {
	const folder = temporaryFolder();
	const release = takeRun(folder);
	expect(() => takeRun(folder, 'runs/mine')).toThrow(
		`runs/mine: expected a run that nobody drives, got one that process ${process.pid} is carrying out`,
	);
	release();
	expect(readdirSync(folder)).toEqual([]);
	takeRun(folder)();
});

it('a controller that died is succeeded, once', () => {
	const folder = temporaryFolder();
	// This very number is in use, by a process that started at another time.
	writeLock(folder, 3, { ...thisController(), startTicks: 1 });
	const release = takeRun(folder);
	expect(readdirSync(folder)).toEqual(['controller-4.lock']);
	expect(() => takeRun(folder)).toThrow(/expected a run that nobody drives/);
	release();
});

it('another living process counts, and ceases to count when it dies', async () => {
	const folder = temporaryFolder();
	const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
		stdio: ['pipe', 'ignore', 'ignore'],
	});
	const pid = other.pid ?? 0;
	writeLock(folder, 1, { pid, startTicks: processEntry(pid)?.startTicks ?? null });
	expect(() => takeRun(folder)).toThrow(new RegExp(`process ${pid}`));
	other.kill('SIGKILL');
	await once(other, 'exit');
	takeRun(folder)();
});
