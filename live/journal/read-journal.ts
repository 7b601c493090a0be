import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { UsageError } from '../../sim/domain/errors.ts';
import { readJournalLine } from './line.ts';
import { JOURNAL_FORMAT, type JournalEntry, type JournalHeader } from './records.ts';

export interface ReadJournal {
	readonly header: JournalHeader;
	/** All records, the header first. */
	readonly entries: readonly JournalEntry[];
	/** What follows these bytes is no whole record: a crash left it behind. */
	readonly wholeBytes: number;
	/** 0 in a sound journal. */
	readonly tornBytes: number;
}

/**
 * Reads a journal without changing it.
 * @param shown the file's name in messages
 * @throws UsageError E_JOURNAL_MISSING; E_JOURNAL_BROKEN when a line before the last whole one does not hold what was written;
 * E_JOURNAL_FORMAT when it was written by another format of the program
 */
export function readJournal(file: string, shown = file): ReadJournal {
	if (!existsSync(file))
		throw new UsageError(
			'E_JOURNAL_MISSING',
			`${shown}: expected the journal of a live run, got no such file`,
		);
	const bytes = readFileSync(file);
	const entries: JournalEntry[] = [];
	let wholeBytes = 0;
	/** First line that cannot be read, from 1. What follows it may only be more of the same: the torn end. */
	let brokenLine: number | null = null;
	for (let start = 0, line = 1; start < bytes.length; line++) {
		const newline = bytes.indexOf(10, start);
		const end = newline === -1 ? bytes.length : newline;
		const entry = newline === -1 ? null : readJournalLine(bytes.toString('utf8', start, end));
		start = end + 1;
		if (entry === null) brokenLine ??= line;
		else if (brokenLine !== null) throw broken(shown, brokenLine, 'a line that does not match its checksum');
		else if (entry.seq !== entries.length + 1)
			throw broken(shown, line, `record ${entry.seq} where record ${entries.length + 1} belongs`);
		else {
			entries.push(entry);
			wholeBytes = start;
		}
	}
	const tornBytes = bytes.length - wholeBytes;
	return { header: headerOf(entries, shown), entries, wholeBytes, tornBytes };
}

/** Cuts a torn end off, so that new records follow the last whole one. */
export function repairJournal(file: string, { wholeBytes, tornBytes }: ReadJournal): void {
	if (tornBytes > 0) truncateSync(file, wholeBytes);
}

function headerOf(entries: readonly JournalEntry[], shown: string): JournalHeader {
	const first = entries[0]?.record;
	if (first === undefined)
		throw new UsageError(
			'E_JOURNAL_BROKEN',
			`${shown}: expected a journal that begins with a header, got none: nothing was begun, start the run anew`,
		);
	if (first.kind !== 'header') throw broken(shown, 1, `a record '${first.kind}' in place of the header`);
	if (first.format !== JOURNAL_FORMAT)
		throw new UsageError(
			'E_JOURNAL_FORMAT',
			`${shown}:1: expected journal format ${JOURNAL_FORMAT}, got ${first.format}`,
		);
	return first;
}

const broken = (shown: string, line: number, got: string): UsageError =>
	new UsageError('E_JOURNAL_BROKEN', `${shown}:${line}: expected the journal as it was written, got ${got}`);
