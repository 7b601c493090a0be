import { describe, expect, it } from 'vitest';
import { createGate } from '../../../sim/aggregate/index.ts';
import { PolicyError } from '../../../sim/domain/errors.ts';
import type { Plan } from '../../../sim/domain/plan.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import type { Scheduler } from '../../../sim/domain/scheduler.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { simulate } from '../../../sim/run/simulate.ts';
import { createScheduler } from '../../../solver/index.ts';
import { smallSetup } from '../../support/setup-builder.ts';
import { drive } from './drive.ts';
import { mixedSetup } from './small-runs.ts';

async function simulated(setup: Setup, scheduler: Scheduler, gate: string): Promise<RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createGate(gate), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return records;
}

/** The same records, whatever the order within one microsecond, but for what names the world. */
const sorted = (records: readonly RunRecord[]): string[] =>
	records
		.map((record) => ({
			timeUs: record.timeUs,
			text: JSON.stringify(record.type === 'run-started' ? { ...record, world: '', engineMode: '' } : record),
		}))
		.sort((a, b) => a.timeUs - b.timeUs || (a.text < b.text ? -1 : 1))
		.map(({ text }) => text);

const policy = (name: string): Scheduler => createScheduler(name, { clockSeconds: () => 0 });

describe('a live run in virtual time', () => {
	it.each([
		['round-robin', 'never', false],
		['greedy', 'majority', false],
		['data-parallel', 'unanimous', true],
		['sequential', 'majority', true],
	])(
		'%s under %s (arrivals over time: %s): record for record the simulation',
		async (name, gate, arrivals) => {
			const setup = mixedSetup(2, { arrivals });
			const { outcome, records, world } = await drive({ setup, scheduler: name, gate });
			expect(outcome).toMatchObject({ status: 'complete', failedCalls: 0 });
			expect(sorted(records)).toEqual(sorted(await simulated(setup, policy(name), gate)));
			expect(world.closed).toBe(true);
		},
	);

	it('writes before it acts: every dispatch and start stands in the journal', async () => {
		const { journal, world } = await drive({ setup: mixedSetup() });
		const orders = journal.flatMap(({ record }) => (record.kind === 'orders' ? record.orders : []));
		const named = (verb: string) =>
			orders.filter((order) => order.startsWith(verb)).map((order) => order.split(' ')[1]);
		expect(named('dispatch')).toEqual(world.sent);
		expect(named('start')).toEqual(world.started);
		expect(journal.at(-1)?.record).toMatchObject({ kind: 'end' });
	});

	it('what happens at once shares one sync of the journal', async () => {
		const calls = Array.from({ length: 3 }, () => ({ model: 'a', outputTokens: 50 }));
		const queries = Array.from({ length: 40 }, () => ({ calls }));
		const setup = smallSetup({
			queries,
			aggregator: null,
			engine: { maxNumSeqs: 120, maxNumBatchedTokens: 4096 },
		});
		const { journal, commits } = await drive({ setup, scheduler: 'round-robin' });
		const ended = journal.filter(
			({ record }) => record.kind === 'happening' && record.happening.event.kind === 'call-ended',
		);
		expect(ended).toHaveLength(120);
		// For the controller's own record, the plan, the calls, and the end.
		expect(commits).toBe(4);
	});

	it('a new plan that the scheduler asks for holds when it is made, without stopping the run', async () => {
		const setup = mixedSetup(3);
		const asksOnce = (): Scheduler => {
			const inner = policy('round-robin');
			let plans = 0;
			let plan: Promise<Plan> | null = null;
			return {
				name: 'asks-once',
				async plan(problem) {
					plans++;
					plan ??= inner.plan(problem);
					const { evidence, ...rest } = await plan;
					return { ...rest, evidence: { ...evidence, solveSeconds: plans === 1 ? 0 : 0.25 } };
				},
				decide: (view) =>
					plans === 1 && view.openQueries < 10
						? [{ type: 'replan' }, ...inner.decide(view)]
						: inner.decide(view),
			};
		};
		const { outcome, records } = await drive({ setup, scheduler: asksOnce(), gate: 'majority' });
		expect(outcome.status).toBe('complete');
		expect(sorted(records)).toEqual(sorted(await simulated(setup, asksOnce(), 'majority')));
		expect(records.filter(({ type }) => type === 'plan-made')).toHaveLength(2);
	});

	it('time in journal and log never goes back, whoever read the clock first', async () => {
		const { records, journal } = await drive({ setup: mixedSetup(2, { arrivals: true }), skewUs: 50_000 });
		const inputs = journal.flatMap(({ record }) => ('timeUs' in record ? [record.timeUs] : []));
		const logged = records.map(({ timeUs }) => timeUs);
		for (const times of [inputs, logged]) expect(times).toEqual(times.toSorted((a, b) => a - b));
		const moved = journal.flatMap(({ record }) => (record.kind === 'happening' ? [record] : []));
		for (const { timeUs, happening } of moved) expect(happening.event.timeUs).toBe(timeUs);
	});

	it('a scheduler that leaves work undone is at fault', async () => {
		const idle: Scheduler = { name: 'idle', plan: policy('round-robin').plan, decide: () => [] };
		const run = drive({ setup: mixedSetup(), scheduler: idle });
		await expect(run).rejects.toThrow(PolicyError);
		await expect(run).rejects.toThrow(/left 10 of 10 queries unsettled/);
	});

	it('a mistake that shows while the journal is written is the end: nothing is ordered that nobody would end', async () => {
		const scheduler = createScheduler('round-robin', { clockSeconds: () => 0 });
		let asked = 0;
		const counting: Scheduler = {
			...scheduler,
			plan: (problem) => scheduler.plan(problem),
			decide: (view) => {
				asked++;
				return scheduler.decide(view);
			},
		};
		const run = drive({ setup: mixedSetup(), scheduler: counting, mistakeAtCommit: 2 });
		await expect(run).rejects.toThrow('a mistake');
		expect(asked).toBe(0);
	});

	it('a scheduler that orders the impossible stops the run, and what runs is ended', async () => {
		let looks = 0;
		const inner = policy('round-robin');
		const wild: Scheduler = {
			name: 'wild',
			plan: (problem) => inner.plan(problem),
			decide: (view) =>
				++looks < 5
					? inner.decide(view)
					: [{ type: 'dispatch', call: 'q0/0' as never, replica: 'nobody' as never }],
		};
		await expect(drive({ setup: mixedSetup(), scheduler: wild })).rejects.toThrow(/wild.*dispatch/);
	});
});
