import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { groupIsAlive, processEntry } from '../../../live/process/proc-table.ts';
import { registerRun, sweepDeadRuns } from '../../../live/process/registry.ts';
import { logged, startProgram, temporaryFolder } from './programs.ts';

const entries = (state: string): string[] => readdirSync(path.join(state, 'mosaic/live'));

describe('the register of live runs', () => {
	it('knows a run while it lasts', async () => {
		const state = temporaryFolder();
		const environment = { XDG_STATE_HOME: state };
		const leave = registerRun('a/run 1', 'runs/a', environment);
		expect(entries(state)).toEqual(['a%2Frun%201.json']);
		const entry = readFileSync(path.join(state, 'mosaic/live', 'a%2Frun%201.json'), 'utf8');
		expect(JSON.parse(entry)).toEqual({
			runId: 'a/run 1',
			folder: path.resolve('runs/a'),
			controllerPid: process.pid,
			controllerStartTicks: processEntry(process.pid)?.startTicks,
		});
		expect(await sweepDeadRuns(environment)).toEqual([]);
		expect(entries(state)).toHaveLength(1);
		leave();
		expect(entries(state)).toEqual([]);
	});

	it('lies under the home folder when nothing else is said', () => {
		const home = temporaryFolder();
		registerRun('r', 'runs/r', { HOME: home })();
		expect(readdirSync(path.join(home, '.local/state/mosaic/live'))).toEqual([]);
	});

	it('ends what a dead controller left, and forgets it', async () => {
		const state = temporaryFolder();
		const environment = { XDG_STATE_HOME: state };
		const runId = `dead-${process.pid}`;
		const server = startProgram('polite', { runId });
		await logged(server.logFile, 'ready as polite');
		registerRun(runId, 'runs/dead', environment);
		const [file = ''] = entries(state);
		const full = path.join(state, 'mosaic/live', file);
		const run = JSON.parse(readFileSync(full, 'utf8')) as Record<string, unknown>;
		// The number of the controller was given to another process since.
		writeFileSync(full, JSON.stringify({ ...run, controllerStartTicks: 1 }));
		const [swept, ...others] = await sweepDeadRuns(environment);
		expect(others).toEqual([]);
		expect(swept).toMatchObject({ run: { runId }, ended: [{ group: server.pid, forced: false }] });
		expect(groupIsAlive(server.pid as number)).toBe(false);
		expect(entries(state)).toEqual([]);
	});

	it('keeps a run that is taken up again while what its dead controller left is ended', async () => {
		const state = temporaryFolder();
		const environment = { XDG_STATE_HOME: state };
		const runId = `again-${process.pid}`;
		const server = startProgram('polite', { runId });
		await logged(server.logFile, 'ready as polite');
		registerRun(runId, 'runs/again', environment);
		const full = path.join(state, 'mosaic/live', entries(state)[0] ?? '');
		const run = JSON.parse(readFileSync(full, 'utf8')) as Record<string, unknown>;
		writeFileSync(full, JSON.stringify({ ...run, controllerStartTicks: 1 }));
		const sweeping = sweepDeadRuns(environment);
		registerRun(runId, 'runs/again', environment);
		expect(await sweeping).toHaveLength(1);
		expect(entries(state)).toHaveLength(1);
	});

	it('forgets what cannot be read', async () => {
		const state = temporaryFolder();
		const environment = { XDG_STATE_HOME: state };
		registerRun('r', 'runs/r', environment);
		writeFileSync(path.join(state, 'mosaic/live/r.json'), '{"runId": ');
		expect(await sweepDeadRuns(environment)).toEqual([]);
		expect(entries(state)).toEqual([]);
	});

	it('is empty where nothing ever ran', async () => {
		expect(await sweepDeadRuns({ XDG_STATE_HOME: temporaryFolder() })).toEqual([]);
	});
});
