import { closeSync, fsyncSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';

/** Puts a whole file in place: whoever looks sees the old one or the new one, also after a crash. */
export function writeFileAtomically(file: string, content: string | Uint8Array): void {
	const temporary = `${file}.${process.pid}.tmp`;
	const descriptor = openSync(temporary, 'w');
	try {
		writeFileSync(descriptor, content);
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
	renameSync(temporary, file);
	syncFolder(path.dirname(file));
}

/** A file of lines too long to hold back: grows under `<name>.partial` and takes its name when it is closed. */
export interface LineFile {
	write(line: string): void;
	/** Everything is on disk and the file has its name. */
	close(): void;
	/** Gives up; the partial file stays. */
	abandon(): void;
}

const BUFFER_CHARACTERS = 1 << 20;

export function openLineFile(file: string): LineFile {
	const partial = `${file}.partial`;
	const descriptor = openSync(partial, 'w');
	let lines: string[] = [];
	let characters = 0;
	const flush = (): void => {
		writeFully(descriptor, Buffer.from(lines.join('')));
		lines = [];
		characters = 0;
	};
	return {
		write(line) {
			lines.push(line, '\n');
			characters += line.length + 1;
			if (characters >= BUFFER_CHARACTERS) flush();
		},
		close() {
			flush();
			fsyncSync(descriptor);
			closeSync(descriptor);
			renameSync(partial, file);
			syncFolder(path.dirname(file));
		},
		abandon() {
			flush();
			closeSync(descriptor);
		},
	};
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
	for (let written = 0; written < bytes.length; ) {
		written += writeSync(descriptor, bytes, written);
	}
}

/** Without it a rename may be lost in a power cut. Windows cannot open a folder; there the rename alone must do. */
function syncFolder(folder: string): void {
	if (process.platform === 'win32') return;
	const descriptor = openSync(folder, 'r');
	try {
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
}
