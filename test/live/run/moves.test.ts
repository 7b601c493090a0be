import { describe, expect, it } from 'vitest';
import { type CarriedCall, carriedTokens } from '../../../live/happening.ts';
import type { JournalEntry } from '../../../live/journal/records.ts';
import { randomStream } from '../../../sim/core/random.ts';
import { replicaId } from '../../../sim/domain/ids.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import { summarize } from '../../../sim/report/summary.ts';
import { CUT_TOKENS, isCut, movingPolicy, movingSetup } from '../../support/moving-policy.ts';
import { lawBreaches } from '../../support/run-laws.ts';
import { type Driven, drive } from './drive.ts';

const SECOND = replicaId('second');
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

/**
 * Calls come back with the limit they were sent with, on the replica they were ordered to, with all that the journal says they carry; and so do
 * those that are to be dispatched again, and no others.
 */
function expectRestored({ world, journal }: Driven, past: readonly JournalEntry[], where: string): void {
	const places = new Map<string, string | null>();
	const carried = new Map<string, number>();
	for (const { seq, record } of journal) {
		const event = seq <= past.length && record.kind === 'happening' ? record.happening.event : null;
		if (event?.kind === 'call-migrated' || event?.kind === 'call-parked')
			carried.set(event.call, event.outputTokens);
		if (event?.kind === 'call-returned' || event?.kind === 'call-ended') {
			carried.delete(event.call);
			places.delete(event.call);
		}
		// The last ones may have been lost with their controller, and written by the next.
		if (record.kind !== 'orders' || record.after > past.length) continue;
		for (const order of record.orders) {
			const [kind, call = '', replica = ''] = order.split(' ');
			if (kind === 'dispatch' || kind === 'migrate') places.set(call, replica);
			else if (kind === 'park') places.set(call, null);
			else if (kind === 'cancel' && places.get(call) === null) places.delete(call);
		}
	}
	const parked = [...places].filter(([, replica]) => replica === null);
	expect(tokensWith(world.parked), where).toEqual(
		new Map(parked.map(([call]) => [call, carried.get(call) ?? 0])),
	);
	for (const restored of world.restored) {
		const tokens = tokensWith(restored.carried);
		for (const call of restored.openCalls) {
			if (isCut(call)) expect(call.maxOutputTokens, where).toBe(CUT_TOKENS);
			expect(restored.start.replica, where).toBe(places.get(call.id));
			expect(tokens.get(call.id) ?? 0, where).toBe(carried.get(call.id) ?? 0);
		}
	}
}

const tokensWith = (carried: ReadonlyMap<string, CarriedCall>): Map<string, number> =>
	new Map([...carried].map(([call, one]) => [call, carriedTokens(one)]));

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

	const isParking = (record: RunRecordOf): boolean =>
		record.kind === 'happening' && record.happening.event.kind === 'call-parked';

	it('that came back instead: what it had is lost, and said', async () => {
		const past = await upTo(isParking, (event) => {
			if (event.kind !== 'call-parked') throw new Error('not parked');
			const { timeUs, call, replica } = event;
			return { kind: 'call-returned', timeUs, call, replica, reason: 'died', outputTokens: 7 };
		});
		const resumed = await drive({ ...options, past });
		expect(results(resumed)).toEqual(results(await drive(options)));
		expectRestored(resumed, past, 'returned');
		const [returned] = ofType(resumed.records, 'call-returned');
		expect(returned).toMatchObject({ outputTokens: 7 });
		const dispatches = ofType(resumed.records, 'call-dispatched').filter(
			({ call }) => call === returned?.call,
		);
		expect(dispatches.length).toBeGreaterThan(1);
	});

	it('that ended instead: it stays as it ended', async () => {
		const past = await upTo(isParking, (event) => {
			if (event.kind !== 'call-parked') throw new Error('not parked');
			const { timeUs, call, replica } = event;
			return {
				kind: 'call-ended',
				timeUs,
				call,
				replica,
				outcome: { kind: 'failed', reason: 'late' },
				work: null,
			};
		});
		const resumed = await drive({ ...options, past });
		expect(resumed.outcome.status).toBe('complete');
		expectRestored(resumed, past, 'ended');
		const [failed] = ofType(resumed.records, 'call-failed');
		expect(failed).toMatchObject({ reason: 'late', replica: 'first' });
		const dispatches = ofType(resumed.records, 'call-dispatched').filter(({ call }) => call === failed?.call);
		expect(dispatches).toHaveLength(1);
	});
});

describe('tokens that a call brought along', () => {
	const setup = movingSetup();
	const breaches = ({ records }: Driven) => lawBreaches(records, setup);

	it('are lost once when its replica dies after the controller was killed, whenever that was', async () => {
		const undisturbed = await drive(options);
		const expected = results(undisturbed);
		let lost = 0;
		for (let length = 1; length <= undisturbed.journal.length; length += 2) {
			const past = undisturbed.journal.slice(0, length);
			// Its replicas need two seconds to come up again.
			const resumed = await drive({ ...options, past, dies: { replica: SECOND, afterUs: 2_150_000 } });
			expect(results(resumed), `killed after record ${length}`).toEqual(expected);
			expect(breaches(resumed), `killed after record ${length}`).toEqual([]);
			for (const { outputTokens } of ofType(resumed.records, 'call-returned')) lost += outputTokens;
		}
		expect(lost).toBeGreaterThan(0);
	});

	it('are lost with a replica of which nobody had time to say that it gave its calls back', async () => {
		const { journal } = await drive(options);
		const at = journal.findIndex(
			({ record }) =>
				record.kind === 'happening' &&
				record.happening.event.kind === 'call-migrated' &&
				record.happening.event.outputTokens > 0,
		);
		const moved = journal[at]?.record;
		if (moved?.kind !== 'happening' || moved.happening.event.kind !== 'call-migrated')
			throw new Error('none');
		const { timeUs, call, outputTokens } = moved.happening.event;
		const event = { kind: 'replica-failed', timeUs, replica: SECOND, reason: 'died' } as const;
		const past: JournalEntry[] = [
			...journal.slice(0, at + 1),
			{ seq: at + 2, record: { kind: 'happening', timeUs, happening: { event } } },
		];
		const resumed = await drive({ ...options, past });
		const returned = ofType(resumed.records, 'call-returned').find((record) => record.call === call);
		expect(returned).toMatchObject({ replica: SECOND, outputTokens });
	});
});

type RunRecordOf = JournalEntry['record'];
type EventOf = Extract<RunRecordOf, { kind: 'happening' }>['happening']['event'];
