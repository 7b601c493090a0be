import type { SleepLevel, SleepTimes } from '../../sim/domain/model.ts';
import { ApiError } from './api-error.ts';
import type { EmulatedServer } from './emulated-server.ts';
import type { GpuClaim } from './gpu-memory.ts';
import type { SleepState } from './statistics.ts';

export type PauseMode = 'abort' | 'wait' | 'keep';
export const pauseModes: readonly PauseMode[] = ['abort', 'wait', 'keep'];

/** What sleeping gives up, and waking brings back one by one if asked to. */
type MemoryTag = 'weights' | 'kv_cache';
const MEMORY_TAGS: readonly MemoryTag[] = ['weights', 'kv_cache'];

/** vLLM's sleep mode and pauses. One transition at a time: what is asked meanwhile waits its turn. */
export class SleepMode {
	private readonly server: EmulatedServer;
	private readonly claim: GpuClaim | null;
	/** 0: awake. */
	private level: 0 | SleepLevel = 0;
	private readonly missing = new Set<MemoryTag>();
	private transition: Promise<unknown> = Promise.resolve();

	constructor(server: EmulatedServer, claim: GpuClaim | null) {
		this.server = server;
		this.claim = claim;
	}

	get state(): SleepState {
		if (this.level === 0) return 'awake';
		return this.level === 1 ? 'weights_offloaded' : 'discard_all';
	}

	get isSleeping(): boolean {
		return this.server.holdsNew || this.missing.size > 0;
	}

	get isPaused(): boolean {
		return this.server.holdsNew;
	}

	pause(mode: PauseMode): Promise<void> {
		return this.inTurn(() => this.stopWork(mode));
	}

	resume(): Promise<void> {
		return this.inTurn(async () => {
			this.server.resume();
		});
	}

	/** @param level 0, or one that the profile does not have: only takes no requests; else gives its memory up too */
	sleep(level: 0 | SleepLevel, mode: PauseMode): Promise<void> {
		return this.inTurn(async () => {
			const beganUs = this.server.clockUs();
			await this.stopWork(mode);
			const times = this.timesOf(level);
			if (times !== null && this.level === 0) {
				await this.server.pass(times.sleepUs);
				this.level = level;
				for (const tag of MEMORY_TAGS) this.missing.add(tag);
				this.claim?.shrink();
			}
			this.server.statistics.slept('sleep', this.server.clockUs() - beganUs);
		});
	}

	/**
	 * @param tags what to bring back; null: everything. Others than vLLM's are passed over, as vLLM does
	 * @returns whether it is fully awake
	 * @throws ApiError when the GPU has no room for what it gave up
	 */
	wake(tags: readonly string[] | null): Promise<boolean> {
		return this.inTurn(async () => {
			const beganUs = this.server.clockUs();
			const wanted = MEMORY_TAGS.filter(
				(tag) => this.missing.has(tag) && (tags === null || tags.includes(tag)),
			);
			if (wanted.length > 0) {
				const refusal = this.claim?.grow() ?? null;
				if (refusal !== null) throw new ApiError(500, 'InternalServerError', refusal);
			}
			// The profile knows one time for all of it, and the weights are what takes it.
			if (wanted.includes('weights')) await this.server.pass(this.timesOf(this.level)?.wakeUs ?? 0);
			for (const tag of wanted) this.missing.delete(tag);
			const isAwake = this.missing.size === 0;
			if (isAwake) {
				this.level = 0;
				this.server.resume();
			}
			this.server.statistics.slept('wake', this.server.clockUs() - beganUs);
			return isAwake;
		});
	}

	private timesOf(level: 0 | SleepLevel): SleepTimes | null {
		return level === 0 ? null : this.server.profile.sleep[level];
	}

	private async stopWork(mode: PauseMode): Promise<void> {
		this.server.holdNew();
		if (mode === 'abort') this.server.abort(undefined, true);
		if (mode === 'keep') this.server.freeze();
		else {
			await this.server.drained();
			this.server.dropCache();
		}
	}

	private inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
		const result = this.transition.then(act);
		this.transition = result.catch(() => undefined);
		return result;
	}
}
