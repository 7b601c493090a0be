import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { usFromSeconds } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import { createApp } from './app.ts';
import { defaultFlags, type EmulatorConfig } from './config.ts';
import { EmulatedServer } from './emulated-server.ts';
import { Faults } from './faults.ts';
import { claimGpuMemory, type GpuClaim } from './gpu-memory.ts';
import { MetricsPage } from './metrics-page.ts';
import { SleepMode } from './sleep-mode.ts';
import { defaultLengths } from './speech-plan.ts';
import { Statistics } from './statistics.ts';
import { startPhases, VllmLog } from './vllm-log.ts';
import { systemFingerprint, VLLM_VERSION } from './vllm-version.ts';

export interface EmulatorOptions {
	/** Null: anybody may ask. */
	readonly apiKey: string | null;
	/** As VLLM_SERVER_DEV_MODE=1 makes it. */
	readonly isDevelopment: boolean;
	/** Takes the log. */
	readonly write: (text: string) => void;
	/** Engine time that passed before; the load began then. */
	readonly clock: LiveClock;
}

/** A running emulator, from the beginning of its load. */
export interface Emulator {
	/** Resolves with its port when it answers; rejects when it failed to start, after it has said why. */
	readonly ready: Promise<number>;
	/** Resolves with an exit code when it ended of itself: a failed start, or a while after its engine died. */
	readonly ended: Promise<number>;
	/** Ends all that is open and gives its memory back, which takes as long as the profile says. */
	stop(): Promise<void>;
	/** Gone at once, without a word. */
	drop(): void;
}

/** vLLM's watchdog looks after its engine that often. */
const WATCHDOG_SECONDS = 5;

/**
 * Starts to load. Nothing answers before the load is over: connections are refused.
 * @throws UsageError E_ENGINE_CONFIG for an engine that cannot be
 */
export function startEmulator(config: EmulatorConfig, options: EmulatorOptions): Emulator {
	return new RunningEmulator(config, options);
}

class RunningEmulator implements Emulator {
	readonly ready: Promise<number>;
	readonly ended: Promise<number>;
	private readonly config: EmulatorConfig;
	private readonly options: EmulatorOptions;
	private readonly log: VllmLog;
	private readonly faults: Faults;
	private readonly timers = new Set<() => void>();
	private end: (code: number) => void = () => undefined;
	private claim: GpuClaim | null = null;
	private readonly server: EmulatedServer;
	private http: Server | null = null;

	constructor(config: EmulatorConfig, options: EmulatorOptions) {
		this.config = config;
		this.options = options;
		this.log = new VllmLog(options.write);
		this.faults = new Faults(config.faults);
		const { profile, servedModel } = config;
		const statistics = new Statistics(servedModel, profile.engine.maxModelLen, options.clock.speed);
		this.server = new EmulatedServer({ profile, clock: options.clock, statistics });
		this.ended = new Promise((resolve) => {
			this.end = resolve;
		});
		this.ready = this.load();
		// A failed start is told by `ended` too, so nobody has to listen here.
		this.ready.catch(() => undefined);
	}

	async stop(): Promise<void> {
		const { clock } = this.options;
		const startedUs = clock.nowUs();
		this.log.info('APIServer', 'launcher.py:104', 'Shutting down FastAPI HTTP server.');
		// A load that is under way ends here.
		this.cancelTimers();
		this.server.abort(undefined, true);
		this.http?.close();
		await this.until(startedUs + this.config.profile.stopUs);
		this.drop();
	}

	drop(): void {
		this.cancelTimers();
		this.server.close();
		this.http?.close();
		this.http?.closeAllConnections();
		this.claim?.release();
	}

	private async load(): Promise<number> {
		const { config, log, faults } = this;
		const { profile, servedModel } = config;
		log.info(
			'APIServer',
			'utils.py:233',
			`vLLM server version ${VLLM_VERSION}, serving model ${servedModel}`,
		);
		const slowUs = usFromSeconds(faults.find('slow-start')?.seconds ?? 0);
		const loadUs = profile.loadUs + slowUs;
		try {
			await checkPort(config);
			this.claim = this.claimMemory();
			for (const phase of startPhases(profile, servedModel, loadUs)) {
				await this.until(phase.atUs);
				phase.say(log);
				this.failOnOrder(phase.atUs / loadUs);
			}
			await this.until(loadUs);
			return await this.listen();
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') log.portTaken(config.host, config.port);
			else log.failedStart((error as Error).message);
			this.drop();
			this.end(1);
			throw error;
		}
	}

	private claimMemory(): GpuClaim | null {
		const { gpuMemoryFolder: folder, gpus, profile } = this.config;
		if (folder === null) return null;
		const { gpuBytesPerGpu: bytesPerGpu, sleepingGpuBytesPerGpu: sleepingBytesPerGpu } = profile;
		return claimGpuMemory({ folder, gpus, bytesPerGpu, sleepingBytesPerGpu });
	}

	/** A start that is to fail does so once its weights are there. */
	private failOnOrder(share: number): void {
		if (share < 0.5) return;
		if (this.faults.find('failing-start') !== undefined)
			throw new Error('RuntimeError: fault on order: failing-start');
		if (this.faults.find('out-of-memory-at-load') === undefined) return;
		throw new Error(
			'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has no room for it. (fault on order: out-of-memory-at-load)',
		);
	}

	private listen(): Promise<number> {
		const { config, options, log, server } = this;
		const { host, port, servedModel, profile, gpus } = config;
		const { statistics } = server;
		const gpuMemoryBytes = gpus[0]?.memoryBytes ?? 0;
		const app = createApp({
			server,
			sleepMode: new SleepMode(server, this.claim),
			metricsPage: new MetricsPage({ servedModel, profile, gpuMemoryBytes, statistics }),
			servedModel,
			fingerprint: systemFingerprint(profile),
			seed: config.seed,
			lengths: config.lengths ?? defaultLengths,
			faults: this.faults,
			apiKey: options.apiKey,
			flags: config.flags ?? defaultFlags,
			isDevelopment: options.isDevelopment,
			onDeath: () => this.dieOfEngine(),
			// As vLLM says it with --enable-log-requests.
			onRequest: (answerId) => log.info('APIServer', 'async_llm.py:489', `Added request ${answerId}.`),
		});
		const http = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
		// As uvicorn, which serves vLLM: it keeps idle connections for 5 s, and waits for ever for what is under way.
		http.keepAliveTimeout = 5000;
		http.requestTimeout = 0;
		this.http = http;
		return new Promise((resolve, reject) => {
			http.once('error', reject);
			http.listen(port, host, () => {
				const address = http.address();
				const bound = typeof address === 'object' && address !== null ? address.port : port;
				log.info('APIServer', 'launcher.py:29', `Starting vLLM server on http://${host}:${bound}`);
				options.write('INFO:     Application startup complete.\n');
				resolve(bound);
			});
		});
	}

	private dieOfEngine(): void {
		const { server } = this;
		if (server.isDead) return;
		this.log.error(
			'EngineCore',
			'core.py:1145',
			'EngineCore encountered a fatal error. (fault on order: engine-death)',
		);
		server.die();
		const endUs = this.options.clock.nowUs() + usFromSeconds(WATCHDOG_SECONDS);
		void this.until(endUs).then(() => {
			this.drop();
			this.end(1);
		});
	}

	private cancelTimers(): void {
		for (const cancel of this.timers) cancel();
		this.timers.clear();
	}

	/** Resolves at a moment of the clock; never when the timers are cancelled before. */
	private until(timeUs: number): Promise<void> {
		const { clock } = this.options;
		return new Promise((resolve) => {
			const wait = (): void => {
				const leftUs = timeUs - clock.nowUs();
				if (leftUs <= 0) {
					resolve();
					return;
				}
				const cancel = clock.after(leftUs, () => {
					this.timers.delete(cancel);
					wait();
				});
				this.timers.add(cancel);
			};
			wait();
		});
	}
}

/** vLLM takes its port first and listens when it is ready; here it can only be looked at. @throws Error EADDRINUSE */
async function checkPort({ host, port }: EmulatorConfig): Promise<void> {
	if (port === 0) return;
	const probe = createServer();
	await once(probe.listen(port, host), 'listening');
	await new Promise((resolve) => {
		probe.close(resolve);
	});
}
