import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { present } from '../../sim/domain/errors.ts';
import type { CallFinished, RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { randomPolicy } from '../support/random-policy.ts';
import { randomSetup, type SetupShape } from '../support/random-setup.ts';
import { lawBreaches } from '../support/run-laws.ts';

/** Each law must be able to fail: a lawful log is spoilt in one place, and the law that watches that place has to notice. */
const shape: SetupShape = {
	seed: 3,
	gpus: 2,
	models: 2,
	queries: 12,
	slots: 3,
	aggregator: true,
	gate: 'majority',
	arrivals: true,
};
const setup = randomSetup(shape);

async function lawfulRun(): Promise<RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(setup, randomPolicy(shape.seed), createGate(shape.gate), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return records;
}

type Spoil = (records: RunRecord[]) => RunRecord[];

/** The log with the first record of this kind replaced by these. */
const at =
	<Type extends RunRecord['type']>(
		type: Type,
		replace: (record: Extract<RunRecord, { type: Type }>) => readonly RunRecord[],
	): Spoil =>
	(records) => {
		const index = records.findIndex((record) => record.type === type);
		const record = present(records[index], type) as Extract<RunRecord, { type: Type }>;
		return records.toSpliced(index, 1, ...replace(record));
	};

/** The log with the first two records of these kinds, which follow each other somewhere, in the other order. */
const exchanged =
	(
		isFirst: (record: RunRecord) => boolean,
		isSecond: (record: RunRecord, first: RunRecord) => boolean,
	): Spoil =>
	(records) => {
		const from = records.findIndex(isFirst);
		const first = present(records[from], 'first record');
		const to = records.findIndex((record, index) => index > from && isSecond(record, first));
		const second = present(records[to], 'second record');
		return records
			.with(from, { ...second, timeUs: first.timeUs })
			.with(to, { ...first, timeUs: second.timeUs });
	};

const about = (record: RunRecord, first: RunRecord): boolean =>
	'call' in record && 'call' in first && record.call === first.call;

const finishedWith = (change: Partial<CallFinished>): Spoil =>
	at('call-finished', (record) => [{ ...record, ...change }]);

it.each<[string, Spoil, string]>([
	['a clock that goes back', at('run-ended', (record) => [{ ...record, timeUs: 1 }]), 'the clock went back'],
	[
		'a time between two microseconds',
		at('query-arrived', (record) => [{ ...record, timeUs: record.timeUs + 0.5 }]),
		'is not whole',
	],
	['a log without an end', (records) => records.slice(0, -1), 'record'],
	['a query that comes twice', at('query-arrived', (record) => [record, record]), 'arrived 2 times'],
	[
		'a query that comes early',
		(records) =>
			records.map((record) => (record.type === 'query-arrived' ? { ...record, timeUs: 0 } : record)),
		'arrived early',
	],
	['a query that is settled twice', at('query-settled', (record) => [record, record]), 'settled 2 times'],
	['a query that is never settled', at('query-settled', () => []), 'settled 0 times'],
	[
		'a verdict against the gate',
		at('query-settled', (record) => [{ ...record, by: record.by === 'vote' ? 'aggregator' : 'vote' }]),
		'gate says',
	],
	[
		'an answer nobody voted for',
		(records) =>
			records.map((record) =>
				record.type === 'query-settled' && record.by === 'vote' ? { ...record, answer: 'Z' } : record,
			),
		'answer Z',
	],
	[
		'a wrong judgement',
		at('query-settled', (record) => [{ ...record, correct: !record.correct }]),
		'judged wrongly',
	],
	['a call that ends twice', at('call-finished', (record) => [record, record]), 'ended before'],
	['a call that never ends', at('call-finished', () => []), 'never ended'],
	['a call that is started twice', at('call-dispatched', (record) => [record, record]), 'may not start'],
	['a call that ends elsewhere', finishedWith({ replica: 'r99' as CallFinished['replica'] }), 'ran on'],
	[
		'a call on a replica that loads',
		exchanged(
			(record) => record.type === 'replica-changed' && record.state === 'awake',
			(record) => record.type === 'call-dispatched',
		),
		'is loading',
	],
	['a first token before the start', finishedWith({ firstTokenUs: 0 }), 'times'],
	[
		'an early settlement of an open vote',
		(records) => {
			const settled = records.findIndex((record) => record.type === 'query-settled' && record.by === 'vote');
			const record = present(records[settled], 'settlement');
			const query = 'query' in record ? record.query : null;
			const first = records.findIndex(
				(other) => other.type === 'call-finished' && other.query === query && other.role === 'expert',
			);
			const early = { ...record, timeUs: present(records[first], 'first end').timeUs };
			return records.toSpliced(settled, 1).toSpliced(first, 0, early);
		},
		'while its vote was open',
	],
	['more moves than were made', at('call-finished', (record) => [{ ...record, migrations: 7 }]), '7 moves'],
	[
		'a cut above the limit of the call',
		at('call-dispatched', (record) => [{ ...record, cutTokens: 1_000_000 }]),
		'cut at 1000000',
	],
	['more tokens than allowed', finishedWith({ outputTokens: 1_000_000 }), '1000000 output tokens'],
	[
		'an aggregator before its experts',
		exchanged(
			(record) => record.type === 'call-finished' && record.role === 'expert',
			(record, first) =>
				record.type === 'aggregation-needed' && 'query' in first && record.query === first.query,
		),
		'before its experts have ended',
	],
	[
		'an aggregator asked for twice',
		at('aggregation-needed', (record) => [record, record]),
		'was asked for before',
	],
	[
		'a call that ends before it starts',
		exchanged(
			(record) => record.type === 'call-dispatched',
			(record, first) => record.type === 'call-finished' && about(record, first),
		),
		'ran on null',
	],
	[
		'a replica that skips its load',
		at('replica-changed', (record) => [{ ...record, state: 'awake' }]),
		'new to awake',
	],
	[
		'a load that is too short',
		at('replica-changed', (record) => [{ ...record, timeUs: record.timeUs - 1 }]),
		'loading took',
	],
	[
		'a GPU that holds too much',
		at('replica-changed', (record) => [
			record,
			...['x', 'y', 'z', 'w', 'v'].map((id) => ({ ...record, replica: id as typeof record.replica })),
		]),
		'bytes on',
	],
	[
		'an engine that computes for ever',
		(records) => records.filter((record) => record.type !== 'engine-active' || record.active),
		'computes for ever',
	],
	[
		'an engine that computes asleep',
		at('engine-active', (record) => [{ ...record, replica: 'x' as typeof record.replica }]),
		'computes while undefined',
	],
	[
		'a batch that is too large',
		at('engine-sample', (record) => [{ ...record, running: record.maxRunning + 1 }]),
		'running',
	],
	[
		'more blocks than there are',
		at('engine-sample', (record) => [{ ...record, usedBlocks: record.totalBlocks + 1 }]),
		'blocks',
	],
])('the laws notice %s', async (_, spoil, message) => {
	const records = await lawfulRun();
	expect(lawBreaches(records, setup)).toEqual([]);
	expect(lawBreaches(spoil(records), setup).join('\n')).toContain(message);
});

describe('the laws of shared GPUs, sleep and failures', () => {
	/** Two engines that share a GPU, a sleep in host RAM, calls that move and a call that came back all happen in it. */
	const sharing: SetupShape = { ...shape, seed: 59, enginesPerGpu: 3 };
	const sharingSetup = randomSetup(sharing);
	const run = async (): Promise<RunRecord[]> => {
		const records: RunRecord[] = [];
		await simulate(sharingSetup, randomPolicy(sharing.seed, { sociable: true }), createGate(sharing.gate), {
			version: 'test',
			onRecord: (record) => records.push(record),
			failures: [5, 8, 11].map((seconds) => ({
				timeUs: seconds * 1_000_000,
				gpu: present(sharingSetup.cluster.gpus[0], 'gpu').id,
				reason: 'died',
				restart: seconds === 8,
			})),
		});
		return records;
	};

	it('hold in the run', async () => {
		expect(lawBreaches(await run(), sharingSetup)).toEqual([]);
	});

	it.each<[string, Partial<Setup['cluster']>, string]>([
		['more engines than may be on a GPU', { enginesPerGpu: 1 }, 'engines on gpu'],
		[
			'weights that find no room in host RAM',
			{ hosts: sharingSetup.cluster.hosts.map((host) => ({ ...host, ramBytes: 0 })) },
			'in the RAM of host',
		],
	])('notice %s', async (_, cluster, message) => {
		const spoilt = { ...sharingSetup, cluster: { ...sharingSetup.cluster, ...cluster } };
		expect(lawBreaches(await run(), spoilt).join('\n')).toContain(message);
	});

	it.each<[string, Spoil, string]>([
		[
			'a call that comes back from where it was not',
			at('call-returned', (record) => [{ ...record, replica: 'r99' as typeof record.replica }]),
			'not r99',
		],
		[
			'a call that moves from where it was not',
			at('call-migrated', (record) => [{ ...record, from: 'r99' as typeof record.from }]),
			'not r99',
		],
		[
			'a call that moves to where it cannot go',
			at('call-migrated', (record) => [{ ...record, replica: 'r99' as typeof record.replica }]),
			'to r99: undefined is undefined',
		],
		['a move that is not counted', at('call-migrated', (record) => [record, record]), 'was on'],
		['a move that never was', at('call-migrated', () => []), 'ran on'],
		[
			'a call that loses tokens when it moves',
			at('call-migrated', (record) => [{ ...record, outputTokens: -1 }]),
			'has -1 tokens',
		],
		['a call that comes back twice', at('call-returned', (record) => [record, record]), 'was on null'],
		['a call that never came back, yet goes elsewhere', at('call-returned', () => []), 'may not start'],
		[
			'a second load without a reason',
			(records) =>
				records.map((record) => {
					if (record.type !== 'replica-changed' || record.state !== 'loading') return record;
					const { reason: _, ...rest } = record;
					return rest;
				}),
			'to loading',
		],
	])('notice %s', async (_, spoil, message) => {
		expect(lawBreaches(spoil(await run()), sharingSetup).join('\n')).toContain(message);
	});
});
