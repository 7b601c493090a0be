import { SingleBar } from 'cli-progress';
import type { Arguments } from './arguments.ts';
import type { Io } from './io.ts';

/** Signs of life while something takes long. */
export interface Progress {
	/** @param total when it has become known only now */
	update(done: number, remark: string, total?: number): void;
	stop(): void;
}

/**
 * A bar on a terminal; in a pipe or a log only the opening line, and nothing at all with --quiet.
 * @param opening one line, said at once
 */
export function startProgress(opening: string, total: number, args: Arguments, io: Io): Progress {
	if (args.flag('quiet')) return { update: () => undefined, stop: () => undefined };
	io.stderr.write(`${opening}\n`);
	if (io.terminal === null) return { update: () => undefined, stop: () => undefined };
	const bar = new SingleBar({
		stream: io.terminal,
		format: '{bar} {value}/{total}  {remark}',
		barsize: 30,
		clearOnComplete: true,
		hideCursor: true,
		// Ctrl-C is handled by the command, which must leave its folder in order first.
		gracefulExit: false,
		barCompleteChar: '\u2588',
		barIncompleteChar: '\u2591',
	});
	bar.start(total, 0, { remark: '' });
	return {
		update(done, remark, total) {
			if (total !== undefined) bar.setTotal(total);
			bar.update(done, { remark });
		},
		stop: () => bar.stop(),
	};
}

/** A remark for people, on stderr. */
export function remark(text: string, args: Arguments, io: Io): void {
	if (!args.flag('quiet')) io.stderr.write(`${text}\n`);
}
