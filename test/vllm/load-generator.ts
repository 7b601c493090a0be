import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mosaicCommand, run } from './program.ts';

export interface LoadResult {
	readonly completed: number;
	readonly failed: number;
	readonly outputTokens: number;
	readonly medianTpotMs: number;
}

const PORT = 8651;
const REQUESTS = 40;
const OUTPUT_TOKENS = 32;

/** vLLM's own load generator against our emulator: a client that nobody here wrote. @throws Error when it found anything wrong */
export async function loadEmulator(
	python: string,
	tokenizerFolder: string,
	folder: string,
): Promise<LoadResult> {
	const [file, words] = mosaicCommand(['emulator', 'quiz', '--model', 'toy-terse', '--port', String(PORT)]);
	const emulator = spawn(file, words, { stdio: 'ignore' });
	try {
		await untilHealthy(emulator);
		await run(
			python,
			[
				...[path.join(__dirname, 'load-generator.py'), '--backend', 'openai', '--model', 'toy-terse'],
				...['--base-url', `http://127.0.0.1:${PORT}`, '--tokenizer', tokenizerFolder],
				...['--dataset-name', 'random', '--random-input-len', '64', '--ignore-eos'],
				...['--random-output-len', String(OUTPUT_TOKENS), '--num-prompts', String(REQUESTS)],
				...['--save-result', '--result-dir', folder, '--result-filename', 'load.json'],
			],
			folder,
			{ VLLM_TARGET_DEVICE: 'cpu', HF_HUB_OFFLINE: '1', VLLM_NO_USAGE_STATS: '1' },
		);
	} finally {
		emulator.kill('SIGTERM');
	}
	const result = JSON.parse(readFileSync(path.join(folder, 'load.json'), 'utf8')) as Record<string, number>;
	const { completed = 0, failed = 0, total_output_tokens = 0, median_tpot_ms = 0 } = result;
	if (completed !== REQUESTS || failed !== 0 || total_output_tokens !== REQUESTS * OUTPUT_TOKENS)
		throw new Error(
			`expected ${REQUESTS} answers of ${OUTPUT_TOKENS} tokens, got ${completed} (${failed} failed) of ${total_output_tokens} tokens in all`,
		);
	return { completed, failed, outputTokens: total_output_tokens, medianTpotMs: median_tpot_ms };
}

async function untilHealthy(emulator: ChildProcess): Promise<void> {
	for (let tries = 0; tries < 300; tries++) {
		if (emulator.exitCode !== null) throw new Error(`the emulator exited with ${emulator.exitCode}`);
		try {
			if ((await fetch(`http://127.0.0.1:${PORT}/health`)).ok) return;
		} catch {
			// Not yet.
		}
		await sleep(200);
	}
	throw new Error('the emulator did not become ready in a minute');
}
