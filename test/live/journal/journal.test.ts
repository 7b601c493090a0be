import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../live/journal/journal.ts';
import { journalLine } from '../../../live/journal/line.ts';
import { readJournal, repairJournal } from '../../../live/journal/read-journal.ts';
import type { JournalRecord } from '../../../live/journal/records.ts';
import { temporaryFolder } from '../../cli/temporary-folder.ts';
import { HEADER } from '../run/drive.ts';

const words = 'Zürich "quoted" \\ back\nline 水';

const records: readonly JournalRecord[] = [
	HEADER,
	{ kind: 'controller', pid: 7, startTicks: null, version: 'test', timeUs: 0 },
	{ kind: 'arrivals', timeUs: 0, from: 0, to: 12 },
	{ kind: 'orders', after: 3, orders: ['start s0-a gpu0', words] },
	{ kind: 'interrupted', timeUs: 1234567 },
];

function written(): string {
	const file = path.join(temporaryFolder(), 'journal.jsonl');
	const journal = openJournal(file);
	for (const record of records) journal.append(record);
	journal.close();
	return file;
}

const kinds = (file: string): string[] => readJournal(file).entries.map(({ record }) => record.kind);

describe('the journal', () => {
	it('gives back what was appended, numbered, and goes on where it ended', async () => {
		const file = written();
		const { entries, header, tornBytes } = readJournal(file);
		expect(entries.map(({ record }) => record)).toEqual(records);
		expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
		expect({ header, tornBytes }).toEqual({ header: HEADER, tornBytes: 0 });
		const journal = openJournal(file, 5);
		expect(journal.append({ kind: 'end', timeUs: 2 })).toBe(6);
		await journal.commit();
		expect(kinds(file)).toHaveLength(6);
		journal.close();
	});

	it('is JSON a line with a CRC-32 of the rest of it', () => {
		const line = readFileSync(written(), 'utf8').split('\n')[4] ?? '';
		// CRC-32 (zlib) of `{"seq":5,"record":{"kind":"interrupted","timeUs":1234567}}`, worked out with Python's binascii.
		expect(line).toBe('{"crc":"dc53a30b","seq":5,"record":{"kind":"interrupted","timeUs":1234567}}');
		expect(JSON.parse(line)).toMatchObject({ seq: 5 });
	});

	it('hands on what is flushed before anything is synced, and never a line twice', async () => {
		const file = path.join(temporaryFolder(), 'journal.jsonl');
		const journal = openJournal(file);
		journal.append(HEADER);
		expect(readFileSync(file, 'utf8')).toBe('');
		journal.flush();
		expect(kinds(file)).toEqual(['header']);
		journal.append({ kind: 'end', timeUs: 1 });
		await Promise.all([journal.commit(), journal.commit()]);
		journal.commitNow();
		expect(kinds(file)).toEqual(['header', 'end']);
		journal.close();
		expect(() => journal.append({ kind: 'end', timeUs: 2 })).toThrow(/after the end/);
	});

	it('is never begun over an older one', () => {
		const file = written();
		expect(() => openJournal(file)).toThrow(/EEXIST/);
	});

	it('torn anywhere in its last line: the line is cut off and the journal goes on', () => {
		const file = written();
		const whole = readFileSync(file);
		const lastStart = whole.lastIndexOf(10, whole.length - 2) + 1;
		for (let length = lastStart; length < whole.length; length++) {
			writeFileSync(file, whole.subarray(0, length));
			const torn = readJournal(file);
			expect(torn.entries).toHaveLength(4);
			expect(torn.tornBytes).toBe(length - lastStart);
			repairJournal(file, torn);
			expect(readFileSync(file)).toEqual(whole.subarray(0, lastStart));
			const journal = openJournal(file, torn.entries.length);
			journal.append({ kind: 'end', timeUs: 3 });
			journal.close();
			expect(kinds(file).at(-1)).toBe('end');
		}
	});

	it('torn over several lines, as a power cut leaves it: all of them are cut off', () => {
		const file = written();
		const sound = readFileSync(file).length;
		appendFileSync(file, `${'\0'.repeat(40)}\n{"crc":"00000000","seq":6}\n${'\0'.repeat(9)}`);
		const torn = readJournal(file);
		expect(torn).toMatchObject({ wholeBytes: sound });
		repairJournal(file, torn);
		expect(readJournal(file)).toMatchObject({ tornBytes: 0, wholeBytes: sound });
	});

	it.each([
		['a changed letter', (text: string) => text.replace('gpu0', 'gpu1'), /:4: .*does not match its checksum/],
		[
			'a line taken out',
			(text: string) => text.replace(/\n[^\n]*"seq":3[^\n]*/, ''),
			/:3: .*record 4 where record 3 belongs/,
		],
		[
			'another format',
			(text: string) =>
				text.replace(/^[^\n]*/, () => journalLine({ seq: 1, record: { ...HEADER, format: 2 as never } })),
			/:1: expected journal format 1, got 2$/,
		],
		[
			'no header',
			() => journalLine({ seq: 1, record: { kind: 'end', timeUs: 0 } }).concat('\n'),
			/:1: .*'end' in place of the header/,
		],
		['nothing', () => '', /expected a journal that begins with a header, got none/],
		[
			'a torn header',
			(text: string) => text.slice(0, 30),
			/expected a journal that begins with a header, got none/,
		],
	])('%s: one clear line', (_, spoil, message) => {
		const file = written();
		writeFileSync(file, spoil(readFileSync(file, 'utf8')));
		expect(() => readJournal(file, 'run/journal.jsonl')).toThrow(message);
		expect(() => readJournal(file, 'run/journal.jsonl')).toThrow(/^run\/journal\.jsonl/);
	});

	it('that is not there: one clear line', () => {
		expect(() => readJournal('nowhere/journal.jsonl')).toThrow(
			/^nowhere\/journal.jsonl: expected the journal of a live run/,
		);
		expect(existsSync('nowhere')).toBe(false);
	});

	it('reading alone changes nothing', () => {
		const file = written();
		truncateSync(file, readFileSync(file).length - 5);
		const before = readFileSync(file);
		readJournal(file);
		expect(readFileSync(file)).toEqual(before);
	});
});
