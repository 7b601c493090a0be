import type { WriteStream } from 'node:tty';
import type { Arguments } from './arguments.ts';
import type { Io } from './io.ts';

/** A few lines at the bottom of a terminal that are drawn again and again. */
export interface Screen {
	/** Writes text above the lines. */
	say(text: string): void;
	stop(): void;
}

const REDRAW_MS = 250;

/**
 * @param draw the lines as they are now, for a terminal of that size; asked at most four times a second
 */
export function startScreen(
	draw: (width: number, height: number) => readonly string[],
	args: Arguments,
	io: Io,
): Screen {
	const { terminal } = io;
	if (terminal === null || args.flag('quiet'))
		return { say: (text) => io.stderr.write(text), stop: () => undefined };
	let drawn = 0;
	// Up to the first of the lines drawn before, and everything from there wiped.
	const wipe = (): string => (drawn === 0 ? '' : `\x1b[${drawn}F\x1b[J`);
	const redraw = (): void => {
		const { columns = 80, rows = 24 } = terminal as Partial<WriteStream>;
		const lines = draw(columns, rows - 1);
		terminal.write(`${wipe()}${lines.join('\n')}\n`);
		drawn = lines.length;
	};
	const timer = setInterval(redraw, REDRAW_MS);
	return {
		say(text) {
			terminal.write(wipe());
			drawn = 0;
			io.stderr.write(text);
		},
		stop() {
			clearInterval(timer);
			terminal.write(wipe());
			drawn = 0;
		},
	};
}
