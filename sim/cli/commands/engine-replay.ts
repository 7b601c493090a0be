import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { EngineMode } from '../../domain/engine.ts';
import { UsageError } from '../../domain/errors.ts';
import { type ReplayMismatch, replayTrace } from '../../engine/replay.ts';
import { parseTrace } from '../../engine/trace-format.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode, Interrupted } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { checkName } from '../names.ts';
import { plural } from '../plural.ts';
import { startProgress } from '../progress.ts';

/** The document of `engine replay --json`. */
interface Replay {
	readonly traces: number;
	/** Steps compared. */
	readonly steps: number;
	/** Traces that differ somewhere. */
	readonly mismatches: number;
	readonly first: (ReplayMismatch & { readonly trace: string }) | null;
}

export async function engineReplayCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const mode = checkName('mode', args.text('mode') ?? 'stepwise', ['stepwise', 'leaping']) as EngineMode;
	const files = args.texts('file').map((file) => path.resolve(io.cwd, file));
	for (const file of files) {
		if (!existsSync(file))
			throw new UsageError('E_NO_FILE', `${file}: expected a file of scheduler traces, got nothing there`);
	}
	const progress = startProgress(
		`replaying ${plural(files.length, 'file')}, ${mode}`,
		files.length,
		args,
		io,
	);
	let result: Replay = { traces: 0, steps: 0, mismatches: 0, first: null };
	try {
		for (const [index, file] of files.entries()) {
			progress.update(index, path.basename(file));
			result = await replayFile(file, mode, result, io.signal);
		}
	} finally {
		progress.stop();
	}
	io.stdout.write(args.flag('json') ? jsonText(result) : describe(result));
	return result.mismatches > 0 ? EXIT.beyondLimit : EXIT.done;
}

async function replayFile(
	file: string,
	mode: EngineMode,
	before: Replay,
	signal: AbortSignal,
): Promise<Replay> {
	let { traces, steps, mismatches, first } = before;
	const lines = readLines(file);
	if (lines.every((line) => line.trim() === ''))
		throw new UsageError('E_TRACE', `${file}: expected a scheduler trace a line, got an empty file`);
	for (const [index, line] of lines.entries()) {
		if (line.trim() === '') continue;
		// Lets a Ctrl-C through.
		await setImmediate();
		if (signal.aborted) throw new Interrupted(`interrupted in ${file}:${index + 1}`);
		const trace = parseTrace(line, `${file}:${index + 1}`);
		const { steps: compared, mismatch } = replayTrace(trace, mode);
		traces++;
		steps += compared;
		if (mismatch === null) continue;
		mismatches++;
		first ??= { trace: trace.name, ...mismatch };
	}
	return { traces, steps, mismatches, first };
}

function readLines(file: string): string[] {
	try {
		const bytes = readFileSync(file);
		return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
	} catch (error) {
		throw new UsageError(
			'E_TRACE',
			`${file}: expected a readable file of scheduler traces, got ${(error as Error).message}`,
		);
	}
}

function describe({ traces, steps, mismatches, first }: Replay): string {
	const counts = `${plural(traces, 'trace')}, ${plural(steps, 'step')}, ${mismatches} mismatches\n`;
	if (first === null) return counts;
	const { trace, step, field, expected, got } = first;
	return `${counts}first: ${trace}, step ${step}, ${field}: expected ${expected}, got ${got}\n`;
}
