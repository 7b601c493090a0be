import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../live/journal/records.ts';
import { randomStream } from '../../../sim/core/random.ts';
import { present } from '../../../sim/domain/errors.ts';
import { callId, replicaId } from '../../../sim/domain/ids.ts';
import type { Scheduler } from '../../../sim/domain/scheduler.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { summarize } from '../../../sim/report/summary.ts';
import { createScheduler } from '../../../solver/index.ts';
import { type Driven, drive } from './drive.ts';
import { mixedSetup } from './small-runs.ts';

/** What a kill must not change: who answered what, how, and in how many tokens. */
function results({ records }: Driven) {
	const { calls, tokens, queries, accuracy, status } = summarize(records);
	return {
		status,
		calls,
		tokens,
		accuracy,
		settled: [queries.total, queries.settledByVote, queries.aggregated],
		answers: records
			.flatMap((record) =>
				record.type === 'query-settled' ? [`${record.query} ${record.by} ${record.answer}`] : [],
			)
			.sort(),
	};
}

const endedCalls = (journal: readonly JournalEntry[]): string[] =>
	journal.flatMap(({ record }) =>
		record.kind === 'happening' && record.happening.event.kind === 'call-ended'
			? [record.happening.event.call]
			: [],
	);

function expectTimeGoesOn({ records, journal }: Driven): void {
	for (const list of [records, journal.map(({ record }) => record)]) {
		let lastUs = 0;
		for (const item of list) {
			if (!('timeUs' in item)) continue;
			expect(item.timeUs).toBeGreaterThanOrEqual(lastUs);
			lastUs = item.timeUs;
		}
	}
}

/** Kills the controller right after each record of the journal in turn, and resumes. */
async function killEverywhere(setup: Setup, scheduler: string | Scheduler, gate: string): Promise<void> {
	const undisturbed = await drive({ setup, scheduler, gate });
	const expected = results(undisturbed);
	for (let length = 1; length <= undisturbed.journal.length; length++) {
		const past = undisturbed.journal.slice(0, length);
		const resumed = await drive({ setup, scheduler, gate, past });
		const where = `killed after record ${length}: ${JSON.stringify(past.at(-1)?.record).slice(0, 120)}`;
		expect(results(resumed), where).toEqual(expected);
		const before = new Set(endedCalls(past));
		expect(
			resumed.world.sent.filter((call) => before.has(call)),
			where,
		).toEqual([]);
		const ends = endedCalls(resumed.journal);
		expect(new Set(ends).size, where).toBe(ends.length);
		expectTimeGoesOn(resumed);
		expectRest(resumed);
	}
}

describe('a run that is killed and resumed ends as if nothing had happened', () => {
	it('round-robin, after every single record', () =>
		killEverywhere(mixedSetup(4), 'round-robin', 'majority'));

	it('greedy with arrivals over time, after every single record', () =>
		killEverywhere(mixedSetup(5, { arrivals: true }), 'greedy', 'unanimous'));

	it('with a new plan on its way, after every single record', async () => {
		const setup = mixedSetup(8);
		const { journal } = await drive({ setup, scheduler: 'round-robin', gate: 'majority' });
		const [planned] = journal.flatMap(({ record }) => (record.kind === 'plan' ? [record.plan] : []));
		const inner = createScheduler('round-robin', { clockSeconds: () => 0 });
		// Keeps nothing in mind: which plan it has stands in the view.
		const replanning: Scheduler = {
			name: 'replanning',
			async plan({ queries }) {
				const { evidence, ...plan } = present(planned, 'plan');
				const round = queries.length < setup.queries.length ? 2 : 1;
				return {
					...plan,
					details: { round },
					evidence: { ...evidence, solveSeconds: round === 1 ? 0 : 0.3 },
				};
			},
			decide: (view) =>
				view.plan.details.round === 1 && view.openQueries < setup.queries.length
					? [{ type: 'replan' }, ...inner.decide(view)]
					: inner.decide(view),
		};
		await killEverywhere(setup, replanning, 'majority');
	});

	it('again and again', async () => {
		const setup = mixedSetup(6);
		const options = { setup, scheduler: 'greedy', gate: 'unanimous' };
		const expected = results(await drive(options));
		const random = randomStream(11, 'kills');
		for (let round = 0; round < 10; round++) {
			let run = await drive(options);
			for (let kill = 0; kill < 6; kill++) {
				// What the last resumption added is cut as well as what was there before.
				const past = run.journal.slice(0, 1 + Math.floor(random() * run.journal.length));
				run = await drive({ ...options, past });
				expectTimeGoesOn(run);
			}
			expect(results(run)).toEqual(expected);
		}
	});
});

/** A replica that loads does not compute, whatever it did when its controller died, and none does when the run is over. */
function expectRest({ records }: Driven): void {
	const active = new Set<string>();
	for (const record of records) {
		if (record.type === 'engine-active' && record.active) active.add(record.replica);
		else if (record.type === 'engine-active') active.delete(record.replica);
		else if (record.type === 'replica-changed' && record.state === 'loading')
			expect(active, record.replica).not.toContain(record.replica);
	}
	expect([...active]).toEqual([]);
}

describe('a resumed run', () => {
	const options = { setup: mixedSetup(7), scheduler: 'round-robin', gate: 'majority' };

	it('that was over before does nothing but say so', async () => {
		const { journal } = await drive(options);
		const again = await drive({ ...options, past: journal });
		expect(again.outcome.status).toBe('complete');
		expect(again.world.started).toEqual([]);
		expect(again.journal).toEqual(journal);
	});

	it('lasts as long as its predecessor plus what was lost: no time passes between the two', async () => {
		const undisturbed = await drive(options);
		const cut = undisturbed.journal.findIndex(({ seq }) => seq > undisturbed.journal.length / 2);
		const resumed = await drive({ ...options, past: undisturbed.journal.slice(0, cut) });
		// At most one load of 2 s and all calls of one session again.
		expect(resumed.outcome.endUs).toBeGreaterThan(undisturbed.outcome.endUs);
		expect(resumed.outcome.endUs).toBeLessThan(undisturbed.outcome.endUs + 4_000_000);
	});

	it('refuses a journal whose orders are not what the scheduler orders', async () => {
		const { journal } = await drive(options);
		const changed = journal.map((entry): JournalEntry => {
			const { record } = entry;
			if (record.kind !== 'orders') return entry;
			return {
				...entry,
				record: { ...record, orders: record.orders.map((text) => text.replace('s0', 's9')) },
			};
		});
		await expect(drive({ ...options, past: changed.slice(0, -3) })).rejects.toThrow(
			/^journal record \d+: expected the order 'start s9-a gpu0' that version test gave, got 'start s0-a gpu0' from version test/,
		);
	});

	it('gives back calls that were sent to a replica whose failure was not known yet', async () => {
		const undisturbed = await drive(options);
		const { journal } = undisturbed;
		const sent = journal.findIndex(
			({ record }) => record.kind === 'orders' && record.orders.some((order) => order.startsWith('dispatch')),
		);
		const { record } = present(journal[sent], 'orders with a dispatch');
		const order = record.kind === 'orders' ? record.orders.find((each) => each.startsWith('dispatch')) : '';
		const [, call = '', replica = ''] = order?.split(' ') ?? [];
		const timeUs = Math.max(
			...journal.slice(0, sent).map((each) => ('timeUs' in each.record ? each.record.timeUs : 0)),
		);
		const event = { kind: 'replica-failed', timeUs, replica: replicaId(replica), reason: 'died' } as const;
		const failed: JournalEntry = {
			seq: sent + 2,
			record: { kind: 'happening', timeUs, happening: { event } },
		};
		const resumed = await drive({ ...options, past: [...journal.slice(0, sent + 1), failed] });
		expect(resumed.outcome.status).toBe('complete');
		expect(resumed.records).toContainEqual(expect.objectContaining({ type: 'call-returned', call, replica }));
		const ends = endedCalls(resumed.journal);
		expect(ends.sort()).toEqual(endedCalls(undisturbed.journal).sort());
	});

	it('does not ask where a call should go that came back before the failure of its replica is known', async () => {
		const { journal } = await drive(options);
		const sent = journal.findIndex(
			({ record }) => record.kind === 'orders' && record.orders.some((order) => order.startsWith('dispatch')),
		);
		const { record } = present(journal[sent], 'orders with a dispatch');
		const order = record.kind === 'orders' ? record.orders.find((each) => each.startsWith('dispatch')) : '';
		const [, call = '', replica = ''] = order?.split(' ') ?? [];
		const timeUs = Math.max(
			...journal.slice(0, sent).map((each) => ('timeUs' in each.record ? each.record.timeUs : 0)),
		);
		const about = { timeUs, replica: replicaId(replica), reason: 'died' };
		const event = { kind: 'call-returned', ...about, call: callId(call), outputTokens: 0 } as const;
		const back: JournalEntry = { seq: sent + 2, record: { kind: 'happening', timeUs, happening: { event } } };
		const resumed = await drive({ ...options, past: [...journal.slice(0, sent + 1), back] });
		expect(resumed.outcome.status).toBe('complete');
		expect(
			resumed.journal.filter((entry) => entry.record.kind === 'orders' && entry.record.after === back.seq),
		).toEqual([]);
	});

	it('polite interruption: nothing runs, the journal says so, and the run can go on', async () => {
		const undisturbed = await drive(options);
		const expected = results(undisturbed);
		for (const share of [0.03, 0.25, 0.5, 0.75]) {
			const interruptAtRecord = Math.ceil(share * undisturbed.journal.length);
			const stopped = await drive({ ...options, interruptAtRecord });
			expect(stopped.outcome.status).toBe('interrupted');
			expect(stopped.records.at(-1)).toMatchObject({ type: 'run-ended', status: 'interrupted' });
			expect(stopped.journal.at(-1)?.record.kind).toBe('interrupted');
			if (stopped.world.started.length > 0) expect(stopped.world.closed).toBe(true);
			const resumed = await drive({ ...options, past: stopped.journal });
			expect(results(resumed)).toEqual(expected);
		}
	});
});
