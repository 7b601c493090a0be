import { UsageError } from '../../sim/domain/errors.ts';
import { startClock } from '../clock.ts';
import type { EmulatorConfig } from './config.ts';
import { startEmulator } from './run-emulator.ts';

/** What a process needs besides its configuration. */
export interface EmulatorProcess {
	readonly environment: Readonly<Record<string, string | undefined>>;
	readonly write: (text: string) => void;
}

/**
 * An emulator as a process of its own: lives until it is told to end (SIGTERM, SIGINT, the end of its standard input when it is
 * tied to that) or fails. @returns its exit code
 * @throws UsageError when the key it should ask for is not there
 */
export async function runEmulatorProcess(
	config: EmulatorConfig,
	{ environment, write }: EmulatorProcess,
): Promise<number> {
	const { apiKeyVariable, spawnedAtMs, speed } = config;
	const apiKey = apiKeyVariable === null ? null : (environment[apiKeyVariable] ?? '');
	if (apiKey === '')
		throw new UsageError(
			'E_API_KEY',
			`expected an API key in the environment variable ${apiKeyVariable}, got nothing`,
		);
	const beganMs = spawnedAtMs ?? Date.now() - process.uptime() * 1000;
	const passedUs = Math.max(0, Math.round((Date.now() - beganMs) * 1000 * speed));
	const emulator = startEmulator(config, {
		apiKey,
		isDevelopment: environment.VLLM_SERVER_DEV_MODE === '1',
		write,
		clock: startClock(speed, passedUs),
	});
	const told = new Promise<number>((resolve) => {
		const ignoresSigterm = config.faults.some(({ kind }) => kind === 'ignored-sigterm');
		onSignal('SIGTERM', ignoresSigterm ? () => undefined : () => void emulator.stop().then(() => resolve(0)));
		onSignal('SIGINT', () => void emulator.stop().then(() => resolve(0)));
		if (!config.endsWithStdin) return;
		process.stdin
			.on('end', () => resolve(0))
			.on('error', () => resolve(0))
			.resume();
	});
	const code = await Promise.race([told, emulator.ended]);
	emulator.drop();
	// Its open end would keep this process alive.
	if (config.endsWithStdin) process.stdin.destroy();
	return code;
}

/** Takes a signal over, from whoever listened before: a second one is ignored, as vLLM does. */
function onSignal(signal: NodeJS.Signals, act: () => void): void {
	process.removeAllListeners(signal);
	let isFirst = true;
	process.on(signal, () => {
		if (isFirst) act();
		isFirst = false;
	});
}
