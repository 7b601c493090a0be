import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRunFolder, type RunFolderRequest } from '../../sim/cli/run-folder.ts';
import type { RunStatus } from '../../sim/cli/run-status.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { temporaryFolder } from './temporary-folder.ts';

const startedAt = new Date('2026-01-02T03:04:05Z');
const endedAt = new Date('2026-01-02T03:05:05Z');

const request = (cwd: string, out?: string): RunFolderRequest => ({
	out: out === undefined ? undefined : path.join(cwd, out),
	runsFolder: path.join(cwd, 'runs'),
	defaultName: 'tiny-ilp-never-seed1',
	kind: 'run',
	command: ['simulate', 'tiny'],
	version: '1.2.3',
	startedAt,
});

const statusOf = (folder: string): RunStatus =>
	JSON.parse(readFileSync(path.join(folder, 'status.json'), 'utf8')) as RunStatus;

const codeOf = (action: () => unknown): string => {
	try {
		action();
	} catch (error) {
		if (error instanceof UsageError) return error.code;
		throw error;
	}
	return 'none';
};

describe('the folder of a run', () => {
	it('takes the next free name under runs/', () => {
		const cwd = temporaryFolder();
		const names = [1, 2, 3].map(() => path.basename(createRunFolder(request(cwd)).path));
		expect(names).toEqual(['tiny-ilp-never-seed1', 'tiny-ilp-never-seed1-2', 'tiny-ilp-never-seed1-3']);
	});

	it('says that it is running, and afterwards how it ended', () => {
		const folder = createRunFolder(request(temporaryFolder()));
		expect(statusOf(folder.path)).toEqual({
			format: 1,
			kind: 'run',
			state: 'running',
			command: ['simulate', 'tiny'],
			version: '1.2.3',
			startedAt: '2026-01-02T03:04:05.000Z',
			endedAt: null,
		});
		folder.end('interrupted', endedAt);
		expect(statusOf(folder.path)).toMatchObject({
			state: 'interrupted',
			endedAt: '2026-01-02T03:05:05.000Z',
		});
	});

	it('keeps an unfinished log under another name until it is closed', () => {
		const folder = createRunFolder(request(temporaryFolder()));
		const log = folder.openLines('events.jsonl');
		const lines = Array.from({ length: 30_000 }, (_, i) => JSON.stringify({ i, text: 'x'.repeat(60) }));
		for (const line of lines) log.write(line);
		const file = path.join(folder.path, 'events.jsonl');
		expect(existsSync(file)).toBe(false);
		// What came through the buffer so far is there for whoever finds a killed run.
		expect(readFileSync(`${file}.partial`, 'utf8').length).toBeGreaterThan(1_000_000);
		log.close();
		expect(existsSync(`${file}.partial`)).toBe(false);
		expect(readFileSync(file, 'utf8')).toBe(`${lines.join('\n')}\n`);
	});

	it('leaves no temporary file behind and makes folders inside it', () => {
		const folder = createRunFolder(request(temporaryFolder()));
		folder.write('charts/gantt.svg', '<svg/>');
		folder.writeJson('summary.json', { a: 1 });
		expect(readdirSync(folder.path, { recursive: true }).sort()).toEqual([
			'charts',
			'charts/gantt.svg',
			'status.json',
			'summary.json',
		]);
	});

	it('takes everything back when the run never began, and leaves a folder that was there before', () => {
		const cwd = temporaryFolder();
		mkdirSync(path.join(cwd, 'mine'));
		for (const out of ['a/b/c', 'mine']) {
			const folder = createRunFolder(request(cwd, out));
			folder.openLines('events.jsonl').abandon();
			folder.write('charts/gantt.svg', '<svg/>');
			folder.discard();
		}
		expect(readdirSync(cwd, { recursive: true })).toEqual(['mine']);
	});
});

it.each(['../evil', '..', '.', '', 'a/b', '/evil'])(
	'never makes a folder of its own outside runs/: %j',
	(defaultName) => {
		const cwd = temporaryFolder();
		expect(() => createRunFolder({ ...request(cwd), defaultName })).toThrow(
			/^internal error: run folder .* leads out of/,
		);
		expect(readdirSync(cwd, { recursive: true })).toEqual([]);
	},
);

describe('a folder that was asked for', () => {
	it('is refused when it holds a run, whatever became of that', () => {
		const cwd = temporaryFolder();
		for (const name of ['status.json', 'summary.json', 'events.jsonl', 'events.jsonl.partial']) {
			const out = path.join(cwd, `has-${name}`);
			mkdirSync(out);
			writeFileSync(path.join(out, name), 'old');
			expect(codeOf(() => createRunFolder(request(cwd, `has-${name}`)))).toBe('E_RUN_EXISTS');
			expect(readdirSync(out)).toEqual([name]);
			expect(readFileSync(path.join(out, name), 'utf8')).toBe('old');
		}
	});

	it('is refused when anything is in it, and keeps that', () => {
		const cwd = temporaryFolder();
		mkdirSync(path.join(cwd, 'mine'));
		writeFileSync(path.join(cwd, 'mine', 'notes.txt'), 'keep');
		expect(codeOf(() => createRunFolder(request(cwd, 'mine')))).toBe('E_OUT_FOLDER');
		expect(readdirSync(path.join(cwd, 'mine'))).toEqual(['notes.txt']);
	});

	it('goes to the first of two that want it', () => {
		const cwd = temporaryFolder();
		createRunFolder(request(cwd, 'mine'));
		expect(codeOf(() => createRunFolder(request(cwd, 'mine')))).toBe('E_RUN_EXISTS');
	});

	it('is refused when it cannot be written, and leaves nothing half-made', () => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'file'), 'x');
		expect(codeOf(() => createRunFolder(request(cwd, 'file')))).toBe('E_OUT_FOLDER');
		expect(codeOf(() => createRunFolder(request(cwd, 'file/below')))).toBe('E_OUT_FOLDER');
		expect(readdirSync(cwd)).toEqual(['file']);
	});

	it('stands in the message with what was expected and what came', () => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'file'), 'x');
		expect(() => createRunFolder(request(cwd, 'file/below'))).toThrow(
			/file\/below: expected a folder that can be written, got ENOTDIR: not a directory$/,
		);
	});
});
