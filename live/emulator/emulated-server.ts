import type { EngineRequest } from '../../sim/domain/engine.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import { createEngine, outputStream } from '../../sim/engine/index.ts';
import type { LiveClock } from '../clock.ts';
import { engineDead, notEmulated } from './api-error.ts';
import { EngineHost, type FinishedEvent } from './engine-host.ts';
import type { GenerationOrder, GenerationSink } from './generation.ts';
import { PromptNames } from './prompt-names.ts';
import { requestTimes } from './request-metrics.ts';
import type { ServerState, Statistics } from './statistics.ts';

export interface ServerParts {
	readonly profile: ReplicaProfile;
	readonly clock: LiveClock;
	readonly statistics: Statistics;
}

/** Scaled time piles tokens up: chunks of one request are this far apart at least. */
const REPORT_EVERY_MS = 20;

/**
 * What stands behind the endpoints: the engine, the requests that are in it or held back from it, and whether it lives. Below real time and at it the
 * engine goes step by step, for somebody watches every token; faster, it leaps.
 */
export class EmulatedServer {
	readonly profile: ReplicaProfile;
	readonly statistics: Statistics;
	private readonly clock: LiveClock;
	private readonly host: EngineHost;
	private names: PromptNames;
	private readonly open = new Map<string, Generation>();
	/** Those that came while it took no new ones; the first came first. */
	private readonly held = new Set<Generation>();
	private takesNew = true;
	private dead = false;
	private orders = 0;
	private onDrained: (() => void)[] = [];

	constructor({ profile, clock, statistics }: ServerParts) {
		this.profile = profile;
		this.clock = clock;
		this.statistics = statistics;
		const isWatched = clock.speed <= 1;
		this.host = new EngineHost({
			createEngine: () => createEngine(isWatched ? 'stepwise' : 'leaping', profile.engine, profile.step),
			clock,
			reportEveryUs: isWatched ? 0 : Math.round(REPORT_EVERY_MS * 1000 * clock.speed),
		});
		this.names = this.freshNames();
	}

	get isDead(): boolean {
		return this.dead;
	}

	/** Whether new requests wait, as they do while it is paused or asleep. */
	get holdsNew(): boolean {
		return !this.takesNew;
	}

	/** @returns gives it up, without a word to the sink */
	generate(order: GenerationOrder, sink: GenerationSink): () => void {
		const engineId = `${order.id}~${this.orders++}`;
		const nowUs = this.host.nowUs();
		const generation: Generation = { engineId, order, sink, arrivedUs: nowUs, queuedUs: nowUs };
		if (this.dead) {
			sink.onEnd({ kind: 'failed', error: engineDead() });
			return () => undefined;
		}
		this.open.set(engineId, generation);
		if (this.takesNew) this.submit(generation);
		else this.held.add(generation);
		return () => {
			const tokens = this.withdraw(generation);
			if (tokens !== undefined) this.statistics.requestDropped(order.promptTokens.length, tokens);
		};
	}

	/**
	 * Ends requests with `finish_reason` abort.
	 * @param ids of orders or answers; undefined: all
	 * @param isCounted whether the engine itself ends them: only then vLLM counts them as done
	 * @returns how many it were
	 */
	abort(ids: readonly string[] | undefined, isCounted: boolean): number {
		const victims = [...this.open.values()].filter(
			({ order }) => ids === undefined || ids.includes(order.id) || ids.includes(order.answerId),
		);
		for (const generation of victims) {
			const { order, sink } = generation;
			const tokenCount = this.withdraw(generation) ?? 0;
			if (isCounted) this.count(generation, 'abort', tokenCount, null);
			else this.statistics.requestDropped(order.promptTokens.length, tokenCount);
			sink.onEnd({ kind: 'ended', reason: 'abort', tokenCount, cachedPromptTokens: 0, times: null });
		}
		return victims.length;
	}

	/** Lets new requests wait from now on. */
	holdNew(): void {
		this.takesNew = false;
	}

	/** Engine time stands still, and with it the requests in the engine. */
	freeze(): void {
		this.host.freeze();
	}

	/** Goes on with what was frozen, and takes those that waited. */
	resume(): void {
		this.takesNew = true;
		this.host.thaw();
		const nowUs = this.host.nowUs();
		for (const generation of this.held) {
			this.held.delete(generation);
			generation.queuedUs = nowUs;
			this.submit(generation);
		}
	}

	/** Resolves when nothing is in the engine any more; held requests do not count. */
	drained(): Promise<void> {
		if (this.open.size === this.held.size) return Promise.resolve();
		return new Promise((resolve) => {
			this.onDrained.push(resolve);
		});
	}

	/** @returns false while blocks are in use */
	dropCache(): boolean {
		if (this.open.size > this.held.size) return false;
		this.host.renew();
		this.names = this.freshNames();
		return true;
	}

	/** The engine is gone: whatever was open fails, and all that comes. */
	die(): void {
		this.dead = true;
		for (const generation of [...this.open.values()]) {
			this.withdraw(generation);
			generation.sink.onEnd({ kind: 'failed', error: engineDead() });
		}
		this.host.close();
	}

	/** Time of the clock, which goes on while the engine's stands still. */
	clockUs(): TimeUs {
		return this.clock.nowUs();
	}

	/** Resolves after so much of the clock's time. */
	pass(durationUs: TimeUs): Promise<void> {
		return new Promise((resolve) => {
			this.clock.after(durationUs, resolve);
		});
	}

	state(sleepState: ServerState['sleepState']): ServerState {
		let openPromptTokens = 0;
		let openOutputTokens = 0;
		for (const { engineId, order } of this.open.values()) {
			const tokens = this.host.outputTokens(engineId) ?? 0;
			openOutputTokens += tokens;
			if (tokens > 0) openPromptTokens += order.promptTokens.length;
		}
		return {
			gauges: this.host.gauges(),
			heldRequests: this.held.size,
			sleepState,
			openPromptTokens,
			openOutputTokens,
		};
	}

	/** Leaves no timer behind. */
	close(): void {
		this.host.close();
	}

	private freshNames(): PromptNames {
		const { numGpuBlocks, blockSize } = this.profile.engine;
		return new PromptNames(numGpuBlocks * blockSize);
	}

	private submit(generation: Generation): void {
		const { engineId, order, sink } = generation;
		const { plan, promptTokens, maxTokens, priority, cacheSalt } = order;
		const request: EngineRequest = {
			id: engineId,
			promptTokens: promptTokens.length,
			outputTokens: plan.tokenCount,
			endsByStop: plan.finishReason === 'stop',
			maxOutputTokens: maxTokens,
			priority,
			...(this.profile.engine.prefixCaching
				? { promptSegments: this.names.segments(promptTokens, cacheSalt) }
				: {}),
		};
		this.host.submit(request, {
			isStreamed: sink.isStreamed,
			onTokens: (tokenCount) => sink.onTokens(tokenCount),
			onFinished: (event) => {
				this.forget(generation, event.outputTokens);
				this.count(generation, event.finishReason, event.outputTokens, event);
				const { finishReason: reason, outputTokens: tokenCount, cachedPromptTokens } = event;
				const { startedUs, firstTokenUs, timeUs: endedUs } = event;
				const times = requestTimes(this.clock.speed, {
					queuedUs: generation.queuedUs,
					startedUs,
					firstTokenUs,
					endedUs,
				});
				sink.onEnd({ kind: 'ended', reason, tokenCount, cachedPromptTokens, times });
			},
			onRejected: (reason) => {
				this.forget(generation, 0);
				sink.onEnd({ kind: 'failed', error: notEmulated(reason) });
			},
		});
	}

	/** @returns output tokens it had; undefined when it is done */
	private withdraw(generation: Generation): number | undefined {
		if (this.open.get(generation.engineId) !== generation) return undefined;
		const tokens = this.held.delete(generation) ? 0 : (this.host.abort(generation.engineId) ?? 0);
		// What came due by now may have ended it.
		if (this.open.get(generation.engineId) !== generation) return undefined;
		this.forget(generation, tokens);
		return tokens;
	}

	private forget({ engineId, order }: Generation, tokens: number): void {
		this.open.delete(engineId);
		const { promptTokens, cacheSalt, plan } = order;
		// The last token of an output is never computed, so it is in no block.
		if (this.profile.engine.prefixCaching && tokens > 1)
			this.names.addOutput(
				promptTokens,
				cacheSalt,
				outputStream(engineId),
				plan.speech.tokens(0, tokens - 1),
			);
		if (this.open.size > this.held.size) return;
		for (const drained of this.onDrained.splice(0)) drained();
	}

	private count(
		{ order, arrivedUs, queuedUs }: Generation,
		reason: 'stop' | 'length' | 'abort',
		outputTokens: number,
		event: FinishedEvent | null,
	): void {
		const endedUs = event?.timeUs ?? this.host.nowUs();
		this.statistics.requestEnded({
			reason,
			promptTokens: order.promptTokens.length,
			cachedPromptTokens: event?.cachedPromptTokens ?? 0,
			outputTokens,
			maxTokens: order.maxTokens,
			preemptions: event?.preemptions ?? 0,
			arrivedUs,
			queuedUs,
			startedUs: event?.startedUs ?? endedUs,
			firstTokenUs: event?.firstTokenUs ?? endedUs,
			endedUs,
		});
	}
}

interface Generation {
	readonly engineId: string;
	readonly order: GenerationOrder;
	readonly sink: GenerationSink;
	readonly arrivedUs: TimeUs;
	queuedUs: TimeUs;
}
