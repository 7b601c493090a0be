import type { ReplicaProfile } from '../../sim/domain/model.ts';
import { secondsFromUs, type TimeUs } from '../../sim/domain/units.ts';
import { gib } from './gpu-memory.ts';

/** Which of vLLM's processes says it. */
type Speaker = 'APIServer' | 'EngineCore';

/** Writes lines as vLLM logs them, to be read by people and by whatever looks for vLLM's phases. */
export class VllmLog {
	private readonly write: (text: string) => void;

	constructor(write: (text: string) => void) {
		this.write = write;
	}

	info(speaker: Speaker, source: string, message: string): void {
		this.line(speaker, 'INFO', source, message);
	}

	error(speaker: Speaker, source: string, message: string): void {
		for (const part of message.split('\n')) this.line(speaker, 'ERROR', source, part);
	}

	/** Last words: the cause in the engine's process, then what the front end makes of it. */
	failedStart(cause: string): void {
		this.error('EngineCore', 'core.py:1136', 'EngineCore failed to start.');
		this.error('EngineCore', 'core.py:1136', `Traceback (most recent call last):\n${cause}`);
		this.write(
			`${prefix('APIServer')}RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}\n`,
		);
	}

	/** Last words of a front end that cannot have its port. */
	portTaken(host: string, port: number): void {
		this.error(
			'APIServer',
			'launcher.py:348',
			`Traceback (most recent call last):\n  sock.bind(('${host}', ${port}))`,
		);
		this.write(`${prefix('APIServer')}OSError: [Errno 98] Address already in use\n`);
	}

	private line(speaker: Speaker, level: string, source: string, message: string): void {
		const now = new Date();
		const time = `${two(now.getMonth() + 1)}-${two(now.getDate())} ${now.toTimeString().slice(0, 8)}`;
		this.write(`${prefix(speaker)}${level} ${time} [${source}] ${message}\n`);
	}
}

const prefix = (speaker: Speaker): string => `(${speaker} pid=${process.pid}) `;
const two = (value: number): string => String(value).padStart(2, '0');

export interface StartPhase {
	/** After so much of the load. */
	readonly atUs: TimeUs;
	say(log: VllmLog): void;
}

/** What vLLM says while it loads. How the time is divided is made up; the profile has only the whole. */
export function startPhases(
	profile: ReplicaProfile,
	servedModel: string,
	loadUs: TimeUs,
): readonly StartPhase[] {
	const { engine, gpuBytesPerGpu } = profile;
	const seconds = (share: number): string => secondsFromUs(loadUs * share).toFixed(2);
	const tokens = (engine.numGpuBlocks - 1) * engine.blockSize;
	const phase = (share: number, source: string, ...messages: readonly string[]): StartPhase => ({
		atUs: Math.round(share * loadUs),
		say(log) {
			for (const message of messages) log.info('EngineCore', source, message);
		},
	});
	return [
		phase(0, 'gpu_model_runner.py:2712', `Starting to load model ${servedModel}...`),
		phase(
			0.6,
			'gpu_model_runner.py:2733',
			`Loading weights took ${seconds(0.4)} seconds`,
			`Model loading took ${gib(gpuBytesPerGpu / 2)} GiB memory and ${seconds(0.45)} seconds`,
		),
		phase(
			0.8,
			'kv_cache_utils.py:1087',
			`Available KV cache memory: ${gib(gpuBytesPerGpu / 2)} GiB`,
			`GPU KV cache size: ${tokens.toLocaleString('en-US')} tokens`,
			`Maximum concurrency for ${engine.maxModelLen.toLocaleString('en-US')} tokens per request: ${(tokens / engine.maxModelLen).toFixed(2)}x`,
		),
		phase(
			0.95,
			'core.py:210',
			`Graph capturing finished in ${seconds(0.15)} secs`,
			`init engine (profile, create kv cache, warmup model) took ${seconds(0.35)} seconds`,
		),
	];
}
