import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Bytes of a log so far; 0 when there is none. */
export function logLength(file: string): number {
	return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** What was written to a log since it was `from` bytes long. */
export function logSince(file: string, from: number): string {
	const bytes = Buffer.alloc(Math.max(0, logLength(file) - from));
	const fd = openSync(file, 'r');
	try {
		const count = readSync(fd, bytes, 0, bytes.length, from);
		return bytes.toString('utf8', 0, count);
	} finally {
		closeSync(fd);
	}
}
