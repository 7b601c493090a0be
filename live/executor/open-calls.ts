import type { CallWork } from '../../sim/core/executor.ts';
import type { CallId, ReplicaId } from '../../sim/domain/ids.ts';
import type { LiveSettings } from '../../sim/domain/live.ts';
import { usFromSeconds } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import { continuedPrompt, joinedReply } from '../content/continuation.ts';
import type { CallContent } from '../content.ts';
import { carriedTokens } from '../happening.ts';
import type { StreamedAnswer } from '../http/answer-reader.ts';
import { isFinal, ServerFailure } from '../http/failure.ts';
import type { ServerClient } from '../http/server-client.ts';
import { timeLimitUs } from '../http/time-limit.ts';
import {
	carriedOn,
	type MovingCall,
	type OpenCall,
	overtake,
	type ReleasedCall,
	tokensOf,
	wholeAnswer,
} from './open-call.ts';
import type { Outbox } from './outbox.ts';

export interface OpenCallsParts {
	readonly replica: ReplicaId;
	readonly maxModelLen: number;
	readonly clock: LiveClock;
	readonly content: CallContent;
	readonly settings: LiveSettings;
	readonly outbox: Outbox;
	readonly broken: (error: unknown) => void;
	/** Told with every token of any call. */
	readonly onTokens: () => void;
	/** Told when open calls begin or cease to have a server that works on them. */
	readonly onActive: (client: ServerClient | null) => void;
	/** Looks after the server at every failure that could mean more than one request lost; resolves after these calls were disconnected if it did. */
	readonly onDoubt: (failure: ServerFailure) => Promise<void>;
}

/** Calls dispatched to one replica and not ended: sent, sent again when that may help, and reported exactly once each. */
export class OpenCalls {
	/** Tokens that all calls together have brought. */
	tokensSeen = 0;
	private readonly parts: OpenCallsParts;
	private readonly calls = new Map<CallId, OpenCall>();
	/** Null while there is nobody to send to. */
	private client: ServerClient | null = null;
	private active = false;

	constructor(parts: OpenCallsParts) {
		this.parts = parts;
	}

	get size(): number {
		return this.calls.size;
	}

	/** Calls that have brought tokens. */
	get runningCount(): number {
		let running = 0;
		for (const { firstTokenUs } of this.calls.values()) if (firstTokenUs !== null) running++;
		return running;
	}

	add({ call, carried, attempts }: MovingCall): void {
		const prompt = this.parts.content.prompt(call);
		const open: OpenCall = {
			call,
			prompt,
			carried,
			promptTokens: carried?.output?.promptTokenIds.length ?? prompt.promptTokens,
			attempts,
			failures: 0,
			sentUs: this.parts.clock.nowUs(),
			firstTokenUs: null,
			outputTokens: 0,
			soFar: null,
			turn: new AbortController(),
		};
		this.calls.set(call.id, open);
		this.updateActive();
		if (this.client !== null) this.send(open, this.client);
	}

	/** Sends everything that is open to a server that is up. */
	connect(client: ServerClient): void {
		this.client = client;
		this.updateActive();
		for (const open of this.calls.values()) this.send(open, client);
	}

	/** Gives up what is on its way; the calls stay open. It counts against no call when its server fails. */
	disconnect(): void {
		this.client = null;
		for (const open of this.calls.values()) overtake(open);
		this.updateActive();
	}

	/** @returns false when no such call is open */
	cancel(id: CallId): boolean {
		const open = this.calls.get(id);
		if (open === undefined) return false;
		overtake(open);
		const work = this.work(open, tokensOf(open));
		this.parts.content.forget(id);
		this.end(open, () =>
			this.parts.outbox.put({
				kind: 'call-ended',
				call: id,
				replica: this.parts.replica,
				outcome: { kind: 'cancelled' },
				work,
			}),
		);
		return true;
	}

	/**
	 * Ends a call here, for another replica, or this one at another time, to go on with it.
	 * @returns null when no such call is open; one that has all its tokens ends instead
	 */
	release(id: CallId): ReleasedCall | null {
		const open = this.calls.get(id);
		if (open === undefined) return null;
		const soFar = open.soFar?.() ?? null;
		if (soFar !== null && (soFar.finish !== null || tokensOf(open) >= this.limit(open))) {
			overtake(open);
			this.finish(open, wholeAnswer(open, soFar));
			return null;
		}
		const { call, attempts } = open;
		const carried = carriedOn(open, soFar);
		overtake(open);
		this.calls.delete(id);
		this.updateActive();
		return { call, carried, attempts };
	}

	/** Gives all calls back to the scheduler. */
	returnAll(reason: string): void {
		const { outbox, replica } = this.parts;
		this.client = null;
		for (const open of [...this.calls.values()]) {
			overtake(open);
			const outputTokens = tokensOf(open);
			const call = open.call.id;
			this.end(open, () => outbox.put({ kind: 'call-returned', call, replica, reason, outputTokens }));
		}
	}

	private send(open: OpenCall, client: ServerClient): void {
		const turn = overtake(open);
		open.sentUs = this.parts.clock.nowUs();
		open.firstTokenUs = null;
		open.outputTokens = 0;
		open.soFar = null;
		void this.attempt(open, client, turn.signal)
			.then(
				(answer) => {
					if (open.turn === turn) this.finish(open, answer);
				},
				(error: unknown) => {
					if (open.turn !== turn) return;
					if (!(error instanceof ServerFailure)) throw error;
					return this.failed(open, error);
				},
			)
			.catch((error: unknown) => this.parts.broken(error));
	}

	private async attempt(open: OpenCall, client: ServerClient, signal: AbortSignal): Promise<StreamedAnswer> {
		const { clock, settings } = this.parts;
		open.promptTokens ??= await client.countTokens(open.prompt.body);
		const output = open.carried?.output ?? null;
		const prompt = output === null ? open.prompt : continuedPrompt(open.prompt, output);
		const roomTokens = this.room(open) - carriedTokens(open.carried);
		return client.generate({
			endpoint: prompt.endpoint,
			// Each attempt has its own: the one before may still be on its way out of the engine.
			requestId: `${open.call.id}-${++open.attempts}`,
			// With no room left it is the server that refuses it, in its own words.
			body: {
				...prompt.body,
				max_tokens: Math.max(1, Math.min(prompt.maxTokens, roomTokens)),
				// Should it move, it takes them along.
				return_token_ids: true,
			},
			firstTokenLimitUs: timeLimitUs(clock, settings.timeouts.firstTokenSeconds),
			silenceLimitUs: timeLimitUs(clock, settings.timeouts.silenceSeconds),
			signal,
			onTokens: (outputTokens, soFar) => {
				if (signal.aborted) return;
				open.soFar = soFar;
				open.firstTokenUs ??= clock.nowUs();
				this.tokensSeen += outputTokens - open.outputTokens;
				open.outputTokens = outputTokens;
				this.parts.onTokens();
			},
		});
	}

	private finish(open: OpenCall, answer: StreamedAnswer): void {
		const { content, outbox, replica } = this.parts;
		const { call } = open;
		const { queueMs: _, ...said } = answer;
		const whole = joinedReply(open.carried?.output ?? null, said);
		const { outputTokens, promptTokens } = whole;
		const limit = Math.min(call.maxOutputTokens, this.room(open));
		// Asked for fewer tokens than the call may have, it was meant to end there.
		const finishReason = answer.finishReason === 'length' && outputTokens >= limit ? 'length' : 'stop';
		const reply = { ...whole, finishReason } as const;
		const work = { ...this.work(open, outputTokens, answer), promptTokens };
		const read = content.read(call, reply);
		this.end(open, () =>
			outbox.put(
				{
					kind: 'call-ended',
					call: call.id,
					replica,
					outcome: { kind: 'finished', outputTokens, finishReason, ...read },
					work,
				},
				{ reply },
			),
		);
	}

	private async failed(open: OpenCall, failure: ServerFailure): Promise<void> {
		const { settings, clock } = this.parts;
		if (isFinal(failure)) {
			this.giveUp(open, failure.message);
			return;
		}
		const turn = overtake(open);
		const { client } = this;
		await this.parts.onDoubt(failure);
		if (client === null || open.turn !== turn) return;
		open.failures++;
		const { callAttempts, backoffSeconds } = settings.retries;
		if (open.failures >= callAttempts) {
			this.giveUp(open, `${failure.message} (sent ${open.failures} times)`);
			return;
		}
		const pauseUs = usFromSeconds(backoffSeconds * 2 ** (open.failures - 1));
		const cancel = clock.after(pauseUs, () => this.send(open, client));
		turn.signal.addEventListener('abort', cancel);
	}

	private giveUp(open: OpenCall, reason: string): void {
		const { content, outbox, replica } = this.parts;
		content.forget(open.call.id);
		this.end(open, () =>
			outbox.put({
				kind: 'call-ended',
				call: open.call.id,
				replica,
				outcome: { kind: 'failed', reason },
				work: null,
			}),
		);
	}

	/** The end of a call is reported before its engine is, as far as that call is concerned, at rest. */
	private end({ call }: OpenCall, report: () => void): void {
		this.calls.delete(call.id);
		report();
		this.updateActive();
	}

	/** Tokens that it may have in all. */
	private limit(open: OpenCall): number {
		return Math.min(open.prompt.maxTokens, this.room(open));
	}

	private room({ promptTokens }: OpenCall): number {
		return this.parts.maxModelLen - (promptTokens ?? 0);
	}

	private work(open: OpenCall, outputTokens: number, answer?: StreamedAnswer): CallWork {
		const { clock } = this.parts;
		const firstTokenUs = open.firstTokenUs ?? clock.nowUs();
		const queueUs = Math.round((answer?.queueMs ?? 0) * 1000 * clock.speed);
		return {
			startedUs: Math.min(firstTokenUs, open.sentUs + queueUs),
			firstTokenUs,
			cachedPromptTokens: answer?.cachedPromptTokens ?? 0,
			recomputedTokens: open.carried?.recomputedTokens ?? 0,
			// Servers do not tell of them by call.
			preemptions: 0,
			...(open.carried === null ? {} : { migrations: open.carried.migrations }),
			outputTokens,
		};
	}

	private updateActive(): void {
		const { outbox, replica, onActive } = this.parts;
		const active = this.client !== null && this.calls.size > 0;
		if (active === this.active) return;
		this.active = active;
		outbox.put({ kind: 'engine-active', replica, active });
		onActive(active ? this.client : null);
	}
}
