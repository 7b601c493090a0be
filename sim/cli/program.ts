import { inspect } from 'node:util';
import { UsageError } from '../domain/errors.ts';
import type { Command } from './command-table.ts';
import { commands as allCommands } from './command-table.ts';
import type { ExitCode } from './exit.ts';
import { EXIT, Interrupted } from './exit.ts';
import type { Io } from './io.ts';
import { parseCommandLine } from './parse.ts';
import { programVersion } from './version.ts';

/**
 * Runs one command line to its end. Never throws: what went wrong is on stderr, one line for a mistake of the user, a
 * stack for one of ours.
 * @param words what follows `mosaic`
 */
export async function runProgram(
	words: readonly string[],
	io: Io,
	commands: readonly Command[] = allCommands,
): Promise<ExitCode> {
	try {
		const parsed = await parseCommandLine(words, commands, programVersion());
		if (parsed.kind === 'text') {
			io.stdout.write(`${parsed.text}\n`);
			return EXIT.done;
		}
		const run = await parsed.command.load();
		return await run(parsed.args, io);
	} catch (error) {
		return reportFailure(error, io);
	}
}

function reportFailure(error: unknown, io: Io): ExitCode {
	if (error instanceof UsageError) {
		io.stderr.write(`mosaic: ${oneLine(error.message)}\n`);
		return EXIT.usage;
	}
	if (error instanceof Interrupted) {
		io.stderr.write(`mosaic: ${oneLine(error.message)}\n`);
		return EXIT.interrupted;
	}
	if (DEVICE_TROUBLE.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')) {
		io.stderr.write(`mosaic: a file could not be written: ${oneLine((error as Error).message)}\n`);
		return EXIT.bug;
	}
	io.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : inspect(error)}\n`);
	return EXIT.bug;
}

/** Neither the user's mistake nor a bug: a stack would help nobody. */
const DEVICE_TROUBLE: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EFBIG']);

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, '; ');
