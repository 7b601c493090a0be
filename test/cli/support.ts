// Worker threads compile with swc. Were they the only ones to hold it, it would be unloaded with the last of them, and crash when
// the next pool loads it again.
import '@swc/core';
import type { Command } from '../../sim/cli/command-table.ts';
import type { Io } from '../../sim/cli/io.ts';
import { runProgram } from '../../sim/cli/program.ts';

export interface CommandResult {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export interface RunOptions {
	readonly cwd: string;
	readonly signal?: AbortSignal;
	/** Instead of the program's own commands. */
	readonly commands?: readonly Command[];
	/** Default: an empty environment. */
	readonly env?: Readonly<Record<string, string>>;
	/** Hears every text written to stderr. */
	readonly onStderr?: (text: string) => void;
}

/** Runs one command line inside this process. The clock ticks a quarter of a second a look; today never changes. */
export async function mosaic(words: readonly string[], options: RunOptions): Promise<CommandResult> {
	let stdout = '';
	let stderr = '';
	let ticks = 0;
	const io: Io = {
		stdout: {
			write(text) {
				stdout += text;
			},
		},
		stderr: {
			write(text) {
				stderr += text;
				options.onStderr?.(text);
			},
		},
		terminal: null,
		clockSeconds: () => ticks++ / 4,
		now: () => new Date('2026-01-02T03:04:05Z'),
		cwd: options.cwd,
		env: options.env ?? {},
		signal: options.signal ?? new AbortController().signal,
	};
	const code = await runProgram(words, io, options.commands);
	return { code, stdout, stderr };
}
