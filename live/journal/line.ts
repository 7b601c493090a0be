import { crc32 } from 'node:zlib';
import type { JournalEntry } from './records.ts';

/** `{"crc":"8 hex digits","seq":1,"record":{...}}`; the sum is taken over the same text without the crc field. */
export function journalLine(entry: JournalEntry): string {
	const text = JSON.stringify(entry);
	return `{"crc":"${checksum(text)}",${text.slice(1)}`;
}

/** @returns null for anything but a whole line with the right sum */
export function readJournalLine(line: string): JournalEntry | null {
	const crc = /^\{"crc":"([0-9a-f]{8})",/.exec(line)?.[1];
	if (crc === undefined) return null;
	const text = `{${line.slice('{"crc":"00000000",'.length)}`;
	return checksum(text) === crc ? (JSON.parse(text) as JournalEntry) : null;
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0');
