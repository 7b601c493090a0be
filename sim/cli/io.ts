import { EXIT } from './exit.ts';

/** Everything a command touches outside the file system, so that a test can run one inside its own process. */
export interface Io {
	/** Results. */
	readonly stdout: TextSink;
	/** Chatter, progress and the one line about a mistake. */
	readonly stderr: TextSink;
	/** stderr when it is a terminal, else null: progress bars are drawn only there. */
	readonly terminal: NodeJS.WritableStream | null;
	/** Seconds from an arbitrary start, never going back. */
	clockSeconds(): number;
	/** Date and time, for status files. */
	now(): Date;
	/** Relative paths on the command line start here. */
	readonly cwd: string;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** Aborted when the user asks to stop. */
	readonly signal: AbortSignal;
}

export interface TextSink {
	write(text: string): void;
}

/** The world of a real process: Ctrl-C, or a terminal that is closed, aborts once, and the second one ends the process at once. */
export function processIo(): Io {
	const controller = new AbortController();
	const stderr = chatter(process.stderr);
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.on(name, () => {
			if (controller.signal.aborted) {
				stderr.write('mosaic: interrupted again; ended at once\n');
				process.exit(EXIT.interrupted);
			}
			controller.abort();
		});
	}
	return {
		stdout: results(process.stdout, stderr),
		stderr,
		terminal: process.stderr.isTTY ? process.stderr : null,
		clockSeconds: () => performance.now() / 1000,
		now: () => new Date(),
		cwd: process.cwd(),
		env: process.env,
		signal: controller.signal,
	};
}

/** Chatter that cannot be written is no loss. */
function chatter(stream: NodeJS.WriteStream): TextSink {
	stream.on('error', () => undefined);
	return { write: (text) => void stream.write(text) };
}

/**
 * A reader that went away (`mosaic list | head -1`) costs the output, not the work. A device that takes no more (a full disk) leaves the
 * result unsaid, which ends the process: results are the last thing a command writes.
 */
function results(stream: NodeJS.WriteStream, stderr: TextSink): TextSink {
	let closed = false;
	stream.on('error', (error: NodeJS.ErrnoException) => {
		closed = true;
		if (error.code === 'EPIPE') return;
		stderr.write(`mosaic: standard output could not be written: ${error.message}\n`);
		process.exit(EXIT.bug);
	});
	return {
		write(text) {
			if (!closed) stream.write(text);
		},
	};
}
