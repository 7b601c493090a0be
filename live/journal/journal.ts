import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { assert } from '../../sim/domain/errors.ts';
import { journalLine } from './line.ts';
import type { JournalRecord } from './records.ts';

/**
 * The append-only memory of a run. What is appended reaches the operating system with `flush` (it then outlives this process) and the disk
 * with `commit` (it then outlives the machine). Order is kept in every case.
 */
export interface Journal {
	/** @returns its sequence number */
	append(record: JournalRecord): number;
	flush(): void;
	/** Everything appended so far is on disk. One sync serves all that wait for it. */
	commit(): Promise<void>;
	/** The same before it returns, for what must not happen before it is recorded. */
	commitNow(): void;
	close(): void;
}

const sync = promisify(fdatasync);

/**
 * @param lastSeq of the record that the file ends with; 0 for a new file, which must not exist yet
 */
export function openJournal(file: string, lastSeq = 0): Journal {
	const descriptor = openSync(file, lastSeq === 0 ? 'wx' : 'a');
	let seq = lastSeq;
	let pending: string[] = [];
	let open = true;
	const flush = (): void => {
		if (pending.length === 0) return;
		const bytes = Buffer.from(pending.join(''));
		pending = [];
		for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
	};
	return {
		append(record) {
			assert(open, `journal record '${record.kind}' after the end`);
			pending.push(journalLine({ seq: ++seq, record }), '\n');
			return seq;
		},
		flush,
		async commit() {
			flush();
			await sync(descriptor);
		},
		commitNow() {
			flush();
			fdatasyncSync(descriptor);
		},
		close() {
			if (!open) return;
			flush();
			fdatasyncSync(descriptor);
			closeSync(descriptor);
			open = false;
		},
	};
}
