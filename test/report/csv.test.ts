import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { callsCsv, queriesCsv } from '../../sim/report/csv.ts';
import { record, runStarted } from '../support/synthetic-log.ts';
import { HAND_RUN } from './hand-run.ts';

/** Rows as objects, by a reader of RFC 4180 that shares nothing with the writer. */
function read(csv: string): Record<string, string>[] {
	const rows: string[][] = [[]];
	for (const match of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
		rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
		if (match[3] === '\r\n') rows.push([]);
	}
	expect(rows.pop()).toEqual([]);
	const [head = [], ...body] = rows;
	return body.map((cells) => {
		expect(cells).toHaveLength(head.length);
		return Object.fromEntries(head.map((name, index) => [name, cells[index] as string]));
	});
}

describe('queriesCsv', () => {
	it('writes arrival, settlement and outcome, and leaves open queries empty', () => {
		const rows = read(queriesCsv([...HAND_RUN, record.arrived(200, 'q1', 'A', 'A')]));
		expect(rows).toEqual([
			{
				query: 'q0',
				task: 'task',
				models: 'A B',
				arrivalSeconds: '0',
				settledSeconds: '0.00016',
				latencySeconds: '0.00016',
				settledBy: 'aggregator',
				answer: 'A',
				correct: 'true',
				aggregateAllCorrect: 'true',
			},
			expect.objectContaining({ query: 'q1', arrivalSeconds: '0.0002', settledSeconds: '', settledBy: '' }),
		]);
	});

	it('quotes commas, quotes and line breaks', () => {
		const name = 'a "quoted", \r\nname';
		expect(read(queriesCsv([record.arrived(0, name, 'A')]))[0]?.query).toBe(name);
	});
});

describe('callsCsv', () => {
	it('has one row per call with what is known of it', () => {
		const rows = read(
			callsCsv([
				runStarted(),
				record.dispatched(10, 'q/0', 'A#1'),
				record.dispatched(10, 'q/1', 'A#1'),
				record.dispatched(15, 'q/1', 'A#2'),
				record.dispatched(20, 'q/2', 'A#1'),
				record.finished(30, 'q/0', 'A#1', 44),
				record.cancelled(40, 'q/1', 'A', 'A#2', 7),
				record.cancelled(41, 'r/0', 'A', null),
				{ ...record.cancelled(42, 'r/1', 'A', null), type: 'call-failed', reason: 'lost' } as RunRecord,
			]),
		);
		expect(rows.map(({ call, status, replica }) => [call, status, replica])).toEqual([
			['q/0', 'finished', 'A#1'],
			['q/1', 'cancelled', 'A#2'],
			['q/2', 'open', 'A#1'],
			['r/0', 'cancelled', ''],
			['r/1', 'failed', ''],
		]);
		expect(rows[0]).toEqual({
			call: 'q/0',
			query: 'q',
			role: 'expert',
			model: 'A',
			replica: 'A#1',
			status: 'finished',
			dispatchedSeconds: '0.00001',
			startedSeconds: '0.00003',
			firstTokenSeconds: '0.00003',
			endedSeconds: '0.00003',
			promptTokens: '100',
			outputTokens: '44',
			cachedPromptTokens: '16',
			recomputedTokens: '3',
			preemptions: '1',
			finishReason: 'stop',
			answer: 'A',
			reason: '',
			attempts: '1',
		});
		expect(rows[1]).toMatchObject({ dispatchedSeconds: '0.000015', outputTokens: '7', promptTokens: '100' });
		expect(rows[1]?.attempts).toBe('2');
		expect(rows[4]).toMatchObject({ reason: 'lost', outputTokens: '', attempts: '0' });
	});

	it('shows a call that was parked, and where, also when it was given up there', () => {
		const parked = {
			...record.returned(20, 'q/0', 'A#2', 9),
			type: 'call-parked',
			reason: undefined,
		} as unknown as RunRecord;
		const log = [record.dispatched(10, 'q/0', 'A#1'), parked, record.cancelled(30, 'q/0', 'A', null)];
		expect(read(callsCsv(log.slice(0, 2)))[0]).toMatchObject({
			status: 'parked',
			replica: 'A#2',
			outputTokens: '9',
			attempts: '1',
		});
		expect(read(callsCsv(log))[0]).toMatchObject({ status: 'cancelled', replica: 'A#2', attempts: '1' });
	});

	it('shows a call that came back as returned until it is dispatched again, and then how often it was', () => {
		const log = [
			record.dispatched(10, 'q/0', 'A#1'),
			record.returned(20, 'q/0', 'A#1', 9),
			record.dispatched(30, 'q/0', 'A#2'),
			record.finished(40, 'q/0', 'A#2'),
		];
		expect(read(callsCsv(log.slice(0, 2)))[0]).toMatchObject({
			status: 'returned',
			replica: 'A#1',
			endedSeconds: '0.00002',
			outputTokens: '9',
			reason: 'died',
			attempts: '1',
		});
		const [after] = read(callsCsv(log));
		expect(after).toMatchObject({
			status: 'finished',
			replica: 'A#2',
			dispatchedSeconds: '0.00003',
			attempts: '2',
		});
		expect(after?.reason).toBe('');
	});
});
