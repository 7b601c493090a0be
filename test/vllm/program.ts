import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

export interface ProgramRun {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

const repoRoot = path.resolve(__dirname, '../..');
const running = new Set<ChildProcess>();

/** The mosaic program in a process of its own, as a person runs it. */
export const mosaicCommand = (words: readonly string[]): readonly [string, readonly string[]] => [
	process.execPath,
	['-r', require.resolve('ts-node/register'), path.join(repoRoot, 'sim/cli/main.ts'), ...words],
];

export const mosaic = (words: readonly string[], cwd: string): Promise<ProgramRun> =>
	run(...mosaicCommand(words), cwd, { TS_NODE_PROJECT: path.join(repoRoot, 'tsconfig.json') });

/**
 * Runs a command to its end.
 * @throws Error with the end of what it wrote, when it exits with something else than 0
 */
export async function run(
	file: string,
	args: readonly string[],
	cwd: string,
	environment: Readonly<Record<string, string>> = {},
): Promise<ProgramRun> {
	const child = spawn(file, args, {
		cwd,
		env: { ...process.env, ...environment },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	running.add(child);
	let stdout = '';
	let stderr = '';
	child.stdout.setEncoding('utf8').on('data', (text: string) => {
		stdout += text;
	});
	child.stderr.setEncoding('utf8').on('data', (text: string) => {
		stderr += text;
	});
	const code = await new Promise<number | null>((resolve, reject) => {
		child.once('error', reject);
		child.once('close', resolve);
	});
	running.delete(child);
	if (code === 0) return { code, stdout, stderr };
	const words = `${stdout}\n${stderr}`.trimEnd().split('\n').slice(-25).join('\n');
	throw new Error(`${path.basename(file)} ${args.slice(0, 6).join(' ')} ... exited with ${code}:\n${words}`);
}

/** Ends what still runs; each ends its own servers. */
export function endAll(): void {
	for (const child of running) child.kill('SIGTERM');
}
