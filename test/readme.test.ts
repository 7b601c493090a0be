import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectFiles, readProjectFile, repoRoot } from './support/project-files.ts';
import { readmeCommands, runnableParts } from './support/readme-commands.ts';

const documents = ['README.md', 'docs/experiment.md'];

describe.each(documents)('%s', (file) => {
	const commands = readmeCommands(readProjectFile(file));
	/** A copy of the project, so that what the commands write stays out of the checkout. */
	let copy: string;
	beforeAll(() => {
		copy = mkdtempSync(path.join(tmpdir(), 'mosaic-readme-'));
		for (const file of projectFiles()) {
			mkdirSync(path.dirname(path.join(copy, file)), { recursive: true });
			cpSync(path.join(repoRoot, file), path.join(copy, file));
		}
		symlinkSync(path.join(repoRoot, 'node_modules'), path.join(copy, 'node_modules'));
	});
	afterAll(() => rmSync(copy, { recursive: true, force: true }));

	// In the order of the text: a later command may use what an earlier one wrote.
	it.each(commands.flatMap(runnableParts))('%s', { timeout: 300_000 }, (command) => {
		execFileSync('sh', ['-c', command], { cwd: copy, stdio: 'pipe' });
	});
});

it('README.md says how to install, start and test', () => {
	const all = readmeCommands(readProjectFile('README.md')).join('\n');
	for (const command of ['npm ci', 'npm start', 'npm test']) expect(all).toContain(command);
});
