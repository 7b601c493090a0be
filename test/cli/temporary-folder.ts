import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** An empty folder, removed when the test that asked for it ends. */
export function temporaryFolder(): string {
	const folder = makeFolder();
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

/** An empty folder for all tests of a file. */
export function sharedFolder(): string {
	const folder = makeFolder();
	afterAll(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

const makeFolder = (): string => mkdtempSync(path.join(tmpdir(), 'mosaic-cli-'));
