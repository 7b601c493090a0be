import type { ReplicaId } from '../../sim/domain/ids.ts';
import type { EngineConfig } from '../../sim/domain/model.ts';
import { secondsFromUs, type TimeUs } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import type { ServerGauges } from '../http/engine-gauges.ts';
import { ServerFailure } from '../http/failure.ts';
import type { ServerClient } from '../http/server-client.ts';
import type { Outbox } from './outbox.ts';

export interface SamplerParts {
	readonly replica: ReplicaId;
	readonly engine: EngineConfig;
	readonly clock: LiveClock;
	readonly sampleUs: TimeUs;
	readonly outbox: Outbox;
	readonly broken: (error: unknown) => void;
	/** Tokens that the replica's calls have brought so far. */
	readonly tokensSeen: () => number;
}

/** Wall time between two readings at least: the server has better things to do than to print its metrics. */
const LEAST_SAMPLE_MS = 100;

/** Reads a server's gauges while it works. */
export class Sampler {
	/** Tokens per second of run time over the last interval; 0 at rest. */
	tokensPerSecond = 0;
	private readonly parts: SamplerParts;
	private cancelTimer: () => void = () => undefined;
	private client: ServerClient | null = null;
	private tokensBefore = 0;
	private sinceUs: TimeUs = 0;

	constructor(parts: SamplerParts) {
		this.parts = parts;
	}

	/** @param client null: the engine is at rest */
	follow(client: ServerClient | null): void {
		this.client = client;
		this.cancelTimer();
		this.tokensPerSecond = 0;
		if (client === null) return;
		this.tokensBefore = this.parts.tokensSeen();
		this.sinceUs = this.parts.clock.nowUs();
		this.plan();
	}

	private plan(): void {
		const { clock, sampleUs } = this.parts;
		// A reading that took longer than a rest of the engine finds that the next is planned already.
		this.cancelTimer();
		const afterUs = Math.max(sampleUs, LEAST_SAMPLE_MS * 1000 * clock.speed);
		this.cancelTimer = clock.after(afterUs, () => {
			this.measureRate();
			this.sample().catch((error: unknown) => this.parts.broken(error));
		});
	}

	private measureRate(): void {
		const { clock, tokensSeen } = this.parts;
		const nowUs = clock.nowUs();
		const tokens = tokensSeen();
		this.tokensPerSecond = (tokens - this.tokensBefore) / secondsFromUs(Math.max(1, nowUs - this.sinceUs));
		this.tokensBefore = tokens;
		this.sinceUs = nowUs;
	}

	private async sample(): Promise<void> {
		const { client } = this;
		let gauges: ServerGauges | null = null;
		try {
			gauges = (await client?.gauges()) ?? null;
		} catch (error) {
			// A server that cannot tell how it is will be missed by its calls.
			if (!(error instanceof ServerFailure)) throw error;
		}
		if (client === null || client !== this.client) return;
		if (gauges !== null) this.report(gauges);
		this.plan();
	}

	private report({ runningRequests, waitingRequests, kvUsage, preemptions }: ServerGauges): void {
		if (runningRequests === null || waitingRequests === null) return;
		const { replica, engine, outbox } = this.parts;
		// The null block is nobody's.
		const totalBlocks = engine.numGpuBlocks - 1;
		outbox.put({
			kind: 'engine-sample',
			replica,
			running: runningRequests,
			waiting: waitingRequests,
			maxRunning: engine.maxNumSeqs,
			usedBlocks: Math.round((kvUsage ?? 0) * totalBlocks),
			totalBlocks,
			...(preemptions === null ? {} : { preemptions }),
		});
	}
}
