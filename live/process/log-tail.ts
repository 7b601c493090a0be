import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A traceback of vLLM with all its processes is shorter. */
const TAIL_BYTES = 64 * 1024;

/** The last lines of a log, oldest first, without empty ones; none when there is no such file. */
export function lastLines(file: string, count: number): readonly string[] {
	let text: string;
	try {
		const fd = openSync(file, 'r');
		try {
			const { size } = fstatSync(fd);
			const bytes = Buffer.alloc(Math.min(TAIL_BYTES, size));
			readSync(fd, bytes, 0, bytes.length, size - bytes.length);
			text = bytes.toString('utf8');
		} finally {
			closeSync(fd);
		}
	} catch {
		return [];
	}
	const lines = text.split('\n').filter((line) => line.trim() !== '');
	return lines.slice(-count);
}

/** The line that says why a server ended: the last error that is not merely the word that there was one, else the last line; null for an empty log. */
export function lastError(file: string): string | null {
	const lines = lastLines(file, 400);
	const error = lines.findLast((line) => /(?:Error|Exception|error): \S/.test(line) && !AFTERMATH.test(line));
	const line = error ?? lines.at(-1);
	if (line === undefined) return null;
	// vLLM puts process, time and source line in front of each line of a traceback.
	const words = line
		.replace(/^\s*(?:\([^)]*\)\s*)?(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\] )?)?/, '')
		.trim();
	return words.length > MAX_WORDS ? `${words.slice(0, MAX_WORDS)}...` : words;
}

/** What vLLM says when its engine failed to start, where the cause stands earlier, and warnings of errors that may yet come. */
const AFTERMATH = /Engine core initialization failed|See root cause above|\bWARNING\b/;

const MAX_WORDS = 300;
