import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { executeRun } from '../../sim/cli/execute-run.ts';
import { loadSetup } from '../../sim/cli/load-setup.ts';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

const repository = path.join(__dirname, '../..');
const readJson = (...parts: string[]) => JSON.parse(readFileSync(path.join(...parts), 'utf8'));
const lastRecord = (folder: string) =>
	JSON.parse(readFileSync(path.join(folder, 'events.jsonl'), 'utf8').trim().split('\n').at(-1) ?? '');

/** Interrupts as soon as the command says that it runs. */
function interruptedAtStart(words: readonly string[], cwd: string) {
	const controller = new AbortController();
	return mosaic(words, { cwd, signal: controller.signal, onStderr: () => controller.abort() });
}

it('a simulated run that is interrupted leaves a folder that says so', async () => {
	const cwd = temporaryFolder();
	const { code, stdout, stderr } = await interruptedAtStart(
		['simulate', 'tiny', '--scheduler', 'ilp', '--out', 'run'],
		cwd,
	);
	expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
	expect(stderr).toMatch(/\nmosaic: interrupted; run holds what had happened until then\n$/);
	expect(readJson(cwd, 'run/status.json')).toMatchObject({
		state: 'interrupted',
		endedAt: expect.any(String),
	});
	expect(readJson(cwd, 'run/summary.json')).toMatchObject({
		status: 'interrupted',
		queries: { settledByVote: 0 },
	});
	expect(lastRecord(path.join(cwd, 'run'))).toMatchObject({ type: 'run-ended', status: 'interrupted' });
	// It cannot be taken for a fresh folder afterwards.
	expect((await mosaic(['simulate', 'tiny', '--out', 'run'], { cwd })).code).toBe(2);
});

it('an interruption in the middle of the simulation ends the log where it stood', async () => {
	const clockSeconds = () => 0;
	const loaded = loadSetup(
		{ experiment: 'mmlu-pro', sets: [], scheduler: 'round-robin', gate: 'never' },
		clockSeconds,
	);
	const controller = new AbortController();
	const { records, summary, plan } = await executeRun({
		...loaded,
		version: '1.2.3',
		clockSeconds,
		signal: controller.signal,
		onProgress: () => controller.abort(),
	});
	expect(summary.status).toBe('interrupted');
	expect(records.at(-1)).toMatchObject({ type: 'run-ended', status: 'interrupted' });
	expect(records.at(-1)?.timeUs).toBeGreaterThan(0);
	expect(records.some(({ type }) => type === 'call-finished')).toBe(true);
	expect(plan).not.toBeNull();
});

it('a comparison that is interrupted leaves a folder that says so', async () => {
	const cwd = temporaryFolder();
	const { code, stdout, stderr } = await interruptedAtStart(['compare', 'tiny', '--out', 'cmp'], cwd);
	expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
	expect(stderr).toMatch(/\nmosaic: interrupted; the runs that had ended are in cmp\n$/);
	expect(readJson(cwd, 'cmp/status.json')).toMatchObject({ kind: 'comparison', state: 'interrupted' });
	// Nothing tells of files that are not there.
	for (const name of ['summary.json', 'README.md', 'report.html'])
		expect(existsSync(path.join(cwd, 'cmp', name))).toBe(false);
});

it.each([
	[['plan', 'tiny', '--scheduler', 'ilp'], 'mosaic: interrupted while planning\n'],
	[['reproduce', '--workloads', 'gpqa', '--seeds', '1', '--quick'], 'mosaic: interrupted\n'],
])('%j is interrupted with one line', async (words, line) => {
	const { code, stdout, stderr } = await interruptedAtStart(words, temporaryFolder());
	expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
	expect(stderr.endsWith(line)).toBe(true);
});

it.each(['SIGINT', 'SIGHUP'] as const)(
	'Ctrl-C in a terminal, or closing it, does the same: %s',
	async (how) => {
		const out = path.join(temporaryFolder(), 'run');
		const words = ['simulate', 'mmlu-pro', '--scheduler', 'ilp', '--out', out];
		const child = spawn(process.execPath, ['-r', 'ts-node/register', 'sim/cli/main.ts', ...words], {
			cwd: repository,
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		let stdout = '';
		let stderr = '';
		child.stdout.on('data', (bytes: Buffer) => {
			stdout += bytes;
		});
		child.stderr.on('data', (bytes: Buffer) => {
			// Planning alone takes far longer than a signal.
			if (stderr === '') child.kill(how);
			stderr += bytes;
		});
		const [code, signal] = await once(child, 'close');
		expect({ code, signal, stdout }).toEqual({ code: 130, signal: null, stdout: '' });
		expect(stderr).toMatch(
			/^running mmlu-pro: .*\nmosaic: interrupted; .* holds what had happened until then\n$/,
		);
		expect(readJson(out, 'status.json').state).toBe('interrupted');
		expect(lastRecord(out)).toMatchObject({ type: 'run-ended', status: 'interrupted' });
	},
);

it('a second interruption ends it at once, and says so', async () => {
	const folder = temporaryFolder();
	// A live run has servers to stop, which takes a moment.
	const words = ['live', 'tiny', '--out', path.join(folder, 'run')];
	const child = spawn(process.execPath, ['-r', 'ts-node/register', 'sim/cli/main.ts', ...words], {
		cwd: repository,
		stdio: ['ignore', 'ignore', 'pipe'],
		env: { ...process.env, XDG_STATE_HOME: path.join(folder, 'state') },
	});
	let stderr = '';
	child.stderr.on('data', (bytes: Buffer) => {
		// Of two equal signals at once one would be lost.
		if (stderr === '') for (const how of ['SIGINT', 'SIGTERM'] as const) child.kill(how);
		stderr += bytes;
	});
	const [code] = await once(child, 'close');
	expect(code).toBe(130);
	expect(stderr).toMatch(/^running tiny live: .*\nmosaic: interrupted again; ended at once\n$/);
});
