import { afterEach } from 'vitest';
import type { LiveClock } from '../../../live/clock.ts';
import type { EmulatorConfig } from '../../../live/emulator/config.ts';
import { type Emulator, startEmulator } from '../../../live/emulator/run-emulator.ts';
import { modelId } from '../../../sim/domain/ids.ts';
import type { EngineConfig, ReplicaProfile } from '../../../sim/domain/model.ts';
import { AutoClock } from './auto-clock.ts';

export const MODEL = 'tiny2';
export const API_KEY = 'key-of-the-recording';

export function engineConfig(changes: Partial<EngineConfig> = {}): EngineConfig {
	return {
		blockSize: 128,
		numGpuBlocks: 1024,
		maxNumSeqs: 32,
		maxNumBatchedTokens: 2048,
		maxModelLen: 1024,
		longPrefillTokenThreshold: 0,
		policy: 'fcfs',
		asyncScheduling: false,
		watermark: 0,
		reserveFullIsl: true,
		prefixCaching: true,
		...changes,
	};
}

/** Steps take 10 ms whatever is in them, so that times can be worked out by hand. */
export function replicaProfile(engine: Partial<EngineConfig> = {}): ReplicaProfile {
	return {
		model: modelId(MODEL),
		gpuType: 'toy',
		tensorParallel: 1,
		engine: engineConfig(engine),
		step: {
			hostUs: 0,
			hostPerSequenceUs: 0,
			baseUs: 10_000,
			perTokenOverKneeUs: 0,
			kneeTokens: 0,
			perDecodeSequenceUs: 0,
			perContextTokenUs: 0,
			perPrefillTokenSquaredUs: 0,
			allReduceUs: 0,
		},
		loadUs: 2_000_000,
		stopUs: 500_000,
		sleep: { 1: { sleepUs: 300_000, wakeUs: 400_000 }, 2: { sleepUs: 100_000, wakeUs: 900_000 } },
		gpuBytesPerGpu: 6e9,
		sleepingGpuBytesPerGpu: 1e9,
		sleepingHostBytes: 2e9,
	};
}

export function emulatorConfig(changes: Partial<EmulatorConfig> = {}): EmulatorConfig {
	return {
		servedModel: MODEL,
		profile: replicaProfile(),
		gpus: [{ gpu: 'gpu0', memoryBytes: 8e9 }],
		host: '127.0.0.1',
		port: 0,
		speed: 1,
		seed: 1,
		spawnedAtMs: null,
		gpuMemoryFolder: null,
		faults: [],
		apiKeyVariable: null,
		endsWithStdin: false,
		flags: ['server-load-tracking'],
		...changes,
	};
}

export interface TestEmulator<Clock extends LiveClock = AutoClock> {
	readonly emulator: Emulator;
	readonly baseUrl: string;
	readonly clock: Clock;
	/** What it logged. */
	readonly log: () => string;
}

interface Options<Clock extends LiveClock> {
	readonly apiKey?: string;
	readonly isDevelopment?: boolean;
	readonly clock: Clock;
}

const running: Emulator[] = [];
afterEach(() => {
	for (const emulator of running.splice(0)) emulator.drop();
});

/** Starts to load, in this process. Dropped when the test is over. */
export function beginEmulator<Clock extends LiveClock>(
	config: Partial<EmulatorConfig>,
	{ apiKey, isDevelopment = true, clock }: Options<Clock>,
): { readonly emulator: Emulator; readonly log: () => string } {
	let text = '';
	const emulator = startEmulator(emulatorConfig(config), {
		apiKey: apiKey ?? null,
		isDevelopment,
		clock,
		write: (part) => {
			text += part;
		},
	});
	running.push(emulator);
	return { emulator, log: () => text };
}

/** An emulator that answers, on a clock that nobody has to wait for. */
export async function readyEmulator(
	config: Partial<EmulatorConfig> = {},
	options: Partial<Options<AutoClock>> = {},
): Promise<TestEmulator> {
	const clock = options.clock ?? new AutoClock(config.speed ?? 1);
	const { emulator, log } = beginEmulator(config, { ...options, clock });
	const port = await emulator.ready;
	return { emulator, baseUrl: `http://127.0.0.1:${port}`, clock, log };
}

export const post = (
	baseUrl: string,
	path: string,
	body?: unknown,
	headers: Record<string, string> = {},
): Promise<Response> =>
	fetch(baseUrl + path, {
		method: 'POST',
		headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
		...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
	});

/** What stands behind each `data: ` of a stream. */
export function eventsOf(text: string): readonly unknown[] {
	return text
		.split('\n\n')
		.filter((part) => part !== '')
		.map((part) => {
			const data = part.replace(/^data: /, '');
			return data === '[DONE]' ? data : (JSON.parse(data) as unknown);
		});
}
