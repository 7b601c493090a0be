import { describe, expect, it } from 'vitest';
import { endLeftovers } from '../../../live/process/leftovers.ts';
import { groupIsAlive } from '../../../live/process/proc-table.ts';
import { logged, startProgram } from './programs.ts';

const RUN = `leftovers-${process.pid}`;

describe('what a dead controller left', () => {
	it('is found by the id of its run, ended, and told', async () => {
		const polite = startProgram('polite', { runId: RUN });
		const stubborn = startProgram('stubborn', { runId: RUN });
		const other = startProgram('polite', { runId: `${RUN}-other` });
		await Promise.all([
			logged(polite.logFile, 'ready as polite'),
			logged(stubborn.logFile, 'ready as stubborn'),
			logged(other.logFile, 'ready as polite'),
		]);
		const ended = await endLeftovers(RUN, { politeMs: 200 });
		expect([...ended].sort((a, b) => Number(a.forced) - Number(b.forced))).toEqual([
			{ group: polite.pid, forced: false },
			{ group: stubborn.pid, forced: true },
		]);
		expect(groupIsAlive(other.pid as number)).toBe(true);
		expect(await endLeftovers(RUN, { politeMs: 200 })).toEqual([]);
	});

	it('is found by what was recorded, also when only its children live', async () => {
		const parent = startProgram('parent', { runId: `${RUN}-unknown` });
		await logged(parent.logFile, 'ready as stubborn');
		process.kill(parent.pid as number, 'SIGKILL');
		await parent.exited;
		const recorded = [{ pid: parent.pid as number, startTicks: parent.startTicks }];
		expect(await endLeftovers(RUN, { politeMs: 50, recorded })).toEqual([
			{ group: parent.pid, forced: true },
		]);
	});

	it('is not a later process of the same number', async () => {
		const server = startProgram('polite', { runId: `${RUN}-later` });
		await logged(server.logFile, 'ready as polite');
		const recorded = [{ pid: server.pid as number, startTicks: (server.startTicks as number) - 1 }];
		expect(await endLeftovers(RUN, { recorded })).toEqual([]);
		expect(groupIsAlive(server.pid as number)).toBe(true);
	});

	it('is never this process', async () => {
		const recorded = [{ pid: process.pid, startTicks: null }];
		expect(await endLeftovers(RUN, { recorded })).toEqual([]);
	});
});
