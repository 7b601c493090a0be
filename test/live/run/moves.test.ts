import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../../live/journal/records.ts';
import { randomStream } from '../../../sim/core/random.ts';
import { callId, replicaId } from '../../../sim/domain/ids.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import { summarize } from '../../../sim/report/summary.ts';
import { CUT_TOKENS, isCut, movingPolicy, movingSetup } from '../../support/moving-policy.ts';
import { type Driven, drive } from './drive.ts';

const options = { setup: movingSetup(), scheduler: movingPolicy, gate: 'majority' };

const ofType = <Type extends RunRecord['type']>(records: readonly RunRecord[], type: Type) =>
	records.filter((record): record is Extract<RunRecord, { type: Type }> => record.type === type);

/** What neither a kill nor the other times that it brings may change: every call that finishes says the same, and so does every query. */
function results({ records }: Driven) {
	return {
		settled: ofType(records, 'query-settled')
			.map(({ query, by, answer }) => `${query} ${by} ${answer}`)
			.sort(),
		status: summarize(records).status,
	};
}

const tokensByCall = ({ records }: Driven) =>
	new Map(
		ofType(records, 'call-finished').map(({ call, outputTokens, finishReason }) => [
			call,
			`${outputTokens} ${finishReason}`,
		]),
	);

describe('a live run under a policy that cuts, moves, parks, settles early and cancels', () => {
	it('does all of it', async () => {
		const { records, outcome } = await drive(options);
		expect(outcome.status).toBe('complete');
		const { calls, queries } = summarize(records);
		expect(calls.migrated).toBeGreaterThan(5);
		expect(ofType(records, 'call-parked').length).toBeGreaterThan(2);
		expect(calls.cancelled).toBeGreaterThan(0);
		expect(queries.settledByVote).toBeGreaterThan(0);
		expect(queries.aggregated).toBeGreaterThan(0);
		const cuts = ofType(records, 'call-dispatched').filter(({ cutTokens }) => cutTokens !== undefined);
		expect(cuts.length).toBeGreaterThan(5);
		const cut = ofType(records, 'call-finished').filter(({ finishReason }) => finishReason === 'length');
		expect(cut.length).toBeGreaterThan(0);
		for (const { outputTokens, answer } of cut) expect([outputTokens, answer]).toEqual([CUT_TOKENS, null]);
		// Of each call that finished, as many moves as it says.
		const moves = [...ofType(records, 'call-migrated'), ...ofType(records, 'call-parked')];
		for (const { call, migrations = 0 } of ofType(records, 'call-finished'))
			expect(moves.filter((move) => move.call === call)).toHaveLength(migrations);
	});

	it('ends as if nothing had happened when it is killed after any record and resumed', async () => {
		const undisturbed = await drive(options);
		const expected = results(undisturbed);
		const said = tokensByCall(undisturbed);
		for (let length = 1; length <= undisturbed.journal.length; length++) {
			const past = undisturbed.journal.slice(0, length);
			const resumed = await drive({ ...options, past });
			const where = `killed after record ${length}: ${JSON.stringify(past.at(-1)?.record).slice(0, 120)}`;
			expect(results(resumed), where).toEqual(expected);
			for (const [call, words] of tokensByCall(resumed)) expect(said.get(call) ?? words, where).toBe(words);
			const ends = endedCalls(resumed.journal);
			expect(new Set(ends).size, where).toBe(ends.length);
			expectPlaces(resumed.records, where);
			expectRestored(resumed, past, where);
		}
	});

	it('and when that happens again and again', async () => {
		const expected = results(await drive(options));
		const random = randomStream(7, 'kills');
		for (let round = 0; round < 8; round++) {
			let run = await drive(options);
			for (let kill = 0; kill < 5; kill++) {
				const past = run.journal.slice(0, 1 + Math.floor(random() * run.journal.length));
				run = await drive({ ...options, past });
				expectRestored(run, past, `round ${round}, kill ${kill}`);
			}
			expect(results(run)).toEqual(expected);
			expectPlaces(run.records, `round ${round}`);
		}
	});
});

const endedCalls = (journal: readonly JournalEntry[]): string[] =>
	journal.flatMap(({ record }) =>
		record.kind === 'happening' && record.happening.event.kind === 'call-ended'
			? [record.happening.event.call]
			: [],
	);

/** A call ends where the log last put it: no move goes unsaid. */
function expectPlaces(records: readonly RunRecord[], where: string): void {
	const places = new Map<string, string>();
	for (const record of records) {
		if (record.type === 'call-dispatched') places.set(record.call, record.replica);
		else if (record.type === 'call-migrated') {
			expect(record.from, where).toBe(places.get(record.call));
			places.set(record.call, record.replica);
		} else if (record.type === 'call-finished') expect(record.replica, where).toBe(places.get(record.call));
	}
}

/** Calls come back with the limit they were sent with, on the replica they were ordered to, with all that the journal says they carry. */
function expectRestored({ world, journal }: Driven, past: readonly JournalEntry[], where: string): void {
	const places = new Map<string, string>();
	const carried = new Map<string, number>();
	for (const { record } of past) {
		const event = record.kind === 'happening' ? record.happening.event : null;
		if (event?.kind === 'call-migrated' || event?.kind === 'call-parked')
			carried.set(event.call, event.outputTokens);
	}
	for (const { record } of journal) {
		// The last ones may have been lost with their controller, and written by the next.
		if (record.kind !== 'orders' || record.after > past.length) continue;
		for (const order of record.orders) {
			const [kind, call = '', replica = ''] = order.split(' ');
			if (kind === 'dispatch' || kind === 'migrate') places.set(call, replica);
		}
	}
	for (const [call, tokens] of carried)
		if (!endedCalls(past).includes(call))
			expect(world.parked.get(callId(call))?.output?.tokenIds.length ?? 0, where).toBe(tokens);
	for (const restored of world.restored)
		for (const call of restored.openCalls) {
			if (isCut(call)) expect(call.maxOutputTokens, where).toBe(CUT_TOKENS);
			expect(restored.start.replica, where).toBe(places.get(call.id));
			if (carried.has(call.id))
				expect(restored.carried.get(call.id)?.output?.tokenIds.length ?? 0, where).toBe(carried.get(call.id));
		}
}

describe('news of a call that was to be parked', () => {
	/** The journal of a run up to a record, which is replaced. */
	async function upTo(isIt: (record: RunRecordOf) => boolean, instead: (event: EventOf) => EventOf) {
		const { journal } = await drive(options);
		const at = journal.findIndex(({ record }) => isIt(record));
		const entry = journal[at];
		if (entry?.record.kind !== 'happening') throw new Error('no such record');
		const { timeUs, happening } = entry.record;
		const record = { kind: 'happening', timeUs, happening: { event: instead(happening.event) } } as const;
		return [...journal.slice(0, at), { ...entry, record }];
	}

	it('that came back instead: it is parked, with nothing', async () => {
		const past = await upTo(
			(record) => record.kind === 'happening' && record.happening.event.kind === 'call-parked',
			(event) => {
				if (event.kind !== 'call-parked') throw new Error('not parked');
				const { timeUs, call, replica } = event;
				return { kind: 'call-returned', timeUs, call, replica, reason: 'died', outputTokens: 7 };
			},
		);
		const resumed = await drive({ ...options, past });
		expect(results(resumed)).toEqual(results(await drive(options)));
		expectRestored(resumed, past.slice(0, -1), 'returned');
		const [parked] = ofType(resumed.records, 'call-parked');
		expect(parked).toMatchObject({ outputTokens: 0 });
		expect(ofType(resumed.records, 'call-returned')).toEqual([]);
	});

	it('that was cancelled meanwhile: it stays as it ended', async () => {
		const undisturbed = await drive(options);
		const [cancelled] = ofType(undisturbed.records, 'call-cancelled');
		const call = cancelled?.call ?? callId('none');
		const journal = undisturbed.journal.filter(
			({ record }) => !('timeUs' in record) || record.timeUs <= (cancelled?.timeUs ?? 0),
		);
		const timeUs = cancelled?.timeUs ?? 0;
		const event = {
			kind: 'call-ended',
			timeUs,
			call,
			replica: replicaId('first'),
			outcome: { kind: 'failed', reason: 'late' },
			work: null,
		} as const;
		const late: JournalEntry = {
			seq: journal.length + 1,
			record: { kind: 'happening', timeUs, happening: { event } },
		};
		const resumed = await drive({ ...options, past: [...journal, late] });
		expect(results(resumed)).toEqual(results(undisturbed));
		expect(ofType(resumed.records, 'call-failed')).toEqual([]);
	});
});

type RunRecordOf = JournalEntry['record'];
type EventOf = Extract<RunRecordOf, { kind: 'happening' }>['happening']['event'];
